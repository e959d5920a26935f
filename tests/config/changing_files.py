"""Files that change as a test says."""

from prober.config.disk import FileHashes
from prober.config.watch import FileReader, Watcher


class Files:
    """Files that exist only here: content and date by path."""

    def __init__(self, **content: str) -> None:
        self.content: dict[str, str] = content
        self.dates: dict[str, int] = dict.fromkeys(content, 0)
        self.reads = 0
        self.watcher = Watcher(FileReader(self._stamp, self._fingerprint, self._list))
        self.watcher.follow(FileHashes(dict[str, str | None](content), {("*", ""): tuple(content)}))

    def _stamp(self, path: str) -> tuple[int, int, int, int] | None:
        if path not in self.content:
            return None
        return self.dates[path], 0, 0, len(self.content[path])

    def _fingerprint(self, path: str) -> str | None:
        self.reads += 1
        return self.content.get(path)

    def _list(self, _pattern: str, _directory: str) -> tuple[str, ...]:
        return tuple(self.content)

    def write(self, path: str, content: str) -> None:
        """Change a file, and its date with it."""
        self.content[path] = content
        self.dates[path] = self.dates.get(path, 0) + 1

    def look(self, times: int = 1) -> list[bool]:
        """Look some times in a row."""
        return [self.watcher.look() for _ in range(times)]
