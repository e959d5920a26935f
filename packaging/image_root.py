"""Collect the file system of the image: prober, its Python, and what they load; no shell, no pip.

    /opt/prober/bin/python packaging/image_root.py DIRECTORY [PATH...]

The Dockerfile runs it in its build stage. PATHs are copied as well. What is copied of Debian
packages is listed in /var/lib/dpkg/status.d, where scanners look for them.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

USER = 65532
NOT_NEEDED = shutil.ignore_patterns(  # of Python itself
    *("__pycache__", "site-packages", "dist-packages", "config-*", "test", "tests", "idlelib"),
    *("tkinter", "turtledemo", "turtle.py", "_tkinter.*", "ensurepip", "lib2to3", "pydoc_data"),
    *("*.a", "_test*.so", "xxlimited*.so"),
)
ALSO = (
    *("/etc/ld.so.cache", "/etc/os-release", "/usr/lib/os-release", "/etc/debian_version"),
    *("/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/ssl/openssl.cnf"),
    *("/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem", "/usr/lib/ssl/openssl.cnf"),
    "/usr/share/zoneinfo",
)
Ignore = Callable[[str, list[str]], set[str]] | None
LINKS = ("/bin", "/lib", "/lib64", "/sbin")  # to directories below /usr
DPKG = Path("/var/lib/dpkg")


class Root:
    """The file system that is made."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for link in LINKS:
            if Path(link).is_symlink():
                self._below(link).symlink_to(Path(link).readlink())

    def _below(self, path: str | Path) -> Path:
        place = self.place / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def add(self, name: str | Path, without: Ignore = None) -> None:
        """Copy a file, a directory, or a link with what it leads to; pass over what is not here."""
        path = Path(name)
        path = path.parent.resolve() / path.name
        place = self._below(path)
        if not os.path.lexists(path) or os.path.lexists(place):
            return
        if path.is_symlink():
            place.symlink_to(path.readlink())
            self.add(path.parent / path.readlink())
        elif path.is_dir():
            shutil.copytree(path, place, symlinks=True, ignore=without)
        else:
            shutil.copy2(path, place)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        self._below(name).write_text(text)

    def compile(self, name: str) -> None:
        """Compile modules: where the image is read-only, each start would do it again."""
        place, mode = self._below(name), py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(
            place, quiet=1, stripdir=self.place, prependdir="/", invalidation_mode=mode
        )

    def files(self) -> Iterator[str]:
        """Yield the paths of all files and links, as they are called in the image."""
        for path in self.place.rglob("*"):
            if path.is_symlink() or path.is_file():
                yield f"/{path.relative_to(self.place)}"


def libraries(files: Iterator[str]) -> set[str]:
    """Return the shared libraries that these files need, all the way down."""
    (loader, *_) = [*Path("/lib64").glob("ld-linux*"), *Path("/lib").glob("ld-linux*")]
    found = {str(loader)}
    for file in files:
        if Path(file).is_symlink() or not re.search(r"\.so\b|/bin/python", file):
            continue
        listed = subprocess.run(  # noqa: S603
            [str(loader), "--list", file], capture_output=True, text=True, check=False
        )
        found |= set(re.findall(r"=> (/\S+)", listed.stdout))
    return found


def packages(files: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the record of each Debian package that has one of these files."""
    try:
        records = re.split(r"\n\n", (DPKG / "status").read_text())
    except FileNotFoundError:
        return
    for record in records:
        fields = dict(re.findall(r"^(Package|Architecture): (.+)$", record, re.MULTILINE))
        if not fields:
            continue
        name, architecture = fields["Package"], fields["Architecture"]
        for listed in (f"{name}.list", f"{name}:{architecture}.list"):
            path = DPKG / "info" / listed
            if path.exists() and files & {real(each) for each in path.read_text().splitlines()}:
                yield name, record


def real(name: str) -> str:
    """Return where a file that a package lists really is; a link stays one."""
    path = Path(name)
    return str(path.parent.resolve() / path.name)


def main() -> None:
    """Make it."""
    place, *more = sys.argv[1:]
    root = Root(Path(place))
    root.add(sys.prefix)
    for link in Path(sys.prefix, "bin").iterdir():
        if link.is_symlink():
            root.add(link.parent / link.readlink())
    stdlib = sysconfig.get_path("stdlib")
    root.add(stdlib, without=NOT_NEEDED)
    multiarch = sysconfig.get_config_var("MULTIARCH")
    for path in (*ALSO, f"/lib/{multiarch}/libgcc_s.so.1", *more):
        root.add(path)  # glibc loads libgcc_s when a thread ends
    for library in libraries(root.files()):
        root.add(library)
    root.compile(stdlib)
    files = set(root.files())
    for name, record in packages(files):
        root.write(f"/var/lib/dpkg/status.d/{name}", f"{record}\n")
    root.write("/etc/passwd", f"root:x:0:0:root:/:\nprober:x:{USER}:{USER}:prober:/:\n")
    root.write("/etc/group", f"root:x:0:\nprober:x:{USER}:\n")
    (root.place / "tmp").mkdir()
    (root.place / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main()
