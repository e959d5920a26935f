"""Hooks of MkDocs: the site has the documents of docs/ and of the root, linked as they are here.

A link that leaves docs/ leads to a copy of the file, or to a page that shows a directory.
"""

import posixpath
import re
from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")
_SHOWN = 50_000
"""Bytes of a file up to which a page shows it; to others, it links."""
LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents outside of docs/, and what the documents link to."""
    added = {"index.md": "README.md"} | {name: name for name in DOCUMENTS}
    for path in (*(ROOT / "deploy").rglob("*"), *(ROOT / "systemd").iterdir()):
        name = str(path.relative_to(ROOT))
        added[f"{name}/index.md" if path.is_dir() else name] = name
    for path in (ROOT / "bench/results").iterdir():
        name = str(path.relative_to(ROOT))
        added[name] = name
    for place, name in added.items():
        path = ROOT / name
        if path.is_dir():
            made = File.generated(config, place, content=_directory(path))
        else:
            made = File.generated(config, place, abs_src_path=str(path))
        files.append(made)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where their files are in the site."""
    del config
    place = page.file.src_uri
    source = "README.md" if place == "index.md" else place
    if files.get_file_from_path(place) and (ROOT / "docs" / place).is_file():
        source = f"docs/{place}"
    return LINK.sub(partial(_moved, source=source, place=place), markdown)


def _moved(link: re.Match[str], *, source: str, place: str) -> str:
    aim = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
    if not (ROOT / aim).exists():
        return link[0]  # MkDocs says that it leads nowhere
    if (ROOT / aim).is_dir():
        aim = f"{aim}/index.md"
    aim = "index.md" if aim == "README.md" else aim.removeprefix("docs/")
    return link[1] + posixpath.relpath(aim, posixpath.dirname(place) or ".")


def _directory(path: Path) -> str:
    """Return a page that shows the files of a directory."""
    parts = [f"# {path.relative_to(ROOT)}\n"]
    for each in sorted(path.iterdir()):
        if each.is_dir() or each.stat().st_size > _SHOWN:
            parts.append(f"## [{each.name}]({each.name})\n")
        elif not each.name.startswith("."):
            parts.append(f"## {each.name}\n\n````yaml\n{each.read_text()}````\n")
    return "\n".join(parts)
