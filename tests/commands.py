"""The commands that the documents show: found as they stand there, and run on loopback."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests import forking
from tests.running import PATIENCE, prober

PROGRAMS = ("prober", "make", "curl", "helm", "promtool", "openssl", "openstack", "kubectl", "git")
"""The programs whose lines count as commands, with those of `NOT_HERE`."""
NOT_HERE = {
    r"(apt|systemctl|git|\. \.venv/bin/activate)\b": "changes this machine; tests/acceptance",
    r"make (install|uninstall|deb)$": "installs; tests/acceptance/test_deb.py, test_systemd.py",
    r"podman ": "needs a registry; tests/acceptance/test_container.py",
    r"kubectl |helm (upgrade|test) ": "needs a cluster; tests/test_deploy.py, test_helm.py",
    r"pip install ": "needs an index; .ci/run installs the wheel",
    r"openstack |export OS_": "is not of the extra `dev`; tests/clients/test_openstack.py",
}
"""Commands that are not run here, and why; what runs them instead."""
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
"""Where programs are looked for."""
_STARTS = re.compile(
    rf"(?:\$ )?((?:[A-Z_]+=\S+ )?(?:(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)}) |\. ?<\()"
    rf"|{'|'.join(NOT_HERE)})"
)
_FOR_PEOPLE = re.compile(r"\s+# .*$|\s{2,}\(.*\)$")
_OF_THE_SHELL = re.compile(r"[|<>]|&&|^[A-Z_]+=")
_RUNS_ON = re.compile(r"prober (run|demo)\b|prober status .*--watch")


class Command(NamedTuple):
    """A command, and what the document says that it prints, if it does."""

    text: str
    printed: str = ""


def commands_of(page: str) -> Iterator[Command]:
    """Yield the commands in the code blocks of a page."""
    for block in _blocks(page):
        lines = re.sub(r" \\\n\s*", " ", "\n".join(block)).split("\n")
        prompted = any(line.startswith("$ ") for line in lines)
        for number, line in enumerate(lines):
            if _STARTS.match(line.strip()) and (not prompted or line.startswith("$ ")):
                printed = _printed(lines[number + 1 :]) if prompted else ""
                yield Command(_FOR_PEOPLE.sub("", line.strip().removeprefix("$ ")), printed)


def _printed(lines: list[str]) -> str:
    end = next((i for i, line in enumerate(lines) if line.startswith("$ ")), len(lines))
    return "\n".join(lines[:end]).strip("\n")


def _blocks(page: str) -> Iterator[list[str]]:
    """Yield the lines of each block that is fenced without a language or indented."""
    fenced, block = "", list[str]()
    for line in page.split("\n"):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            if not fenced or fenced == "-":
                yield block
            fenced, block = "" if fenced else fence[1] or "-", []
        elif fenced == "-" or (not fenced and line.startswith("    ")):
            block.append(line if fenced else line[4:])
        elif not fenced and line:
            yield block
            block = []
    yield block


def why_not(command: str) -> str:
    """Return why a command is not run here, or nothing."""
    return next((why for start, why in NOT_HERE.items() if re.match(start, command)), "")


class Done(NamedTuple):
    """A command that ended."""

    status: int
    out: str
    err: str


def run(command: str, environment: Mapping[str, str]) -> Done:
    """Run a command in the current directory; one that would go on is told to end."""
    if command.startswith("make "):
        return _in_a_shell(f"make --dry-run --directory {environment['ROOT']} {command[5:]}", {})
    if _RUNS_ON.match(command):
        return _until_it_works(shlex.split(command)[1:], environment)
    if command.startswith("prober ") and not _OF_THE_SHELL.search(command):
        done = prober(*shlex.split(command)[1:], **environment)
        return Done(done.returncode, done.stdout, done.stderr)
    return _in_a_shell(command, environment)


def _in_a_shell(command: str, environment: Mapping[str, str]) -> Done:
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **environment, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _until_it_works(arguments: list[str], environment: Mapping[str, str]) -> Done:
    """Run a command that goes on until it has shown something, then end it as people do."""
    whole = {**os.environ, **environment, "PROBER_LISTEN": "127.0.0.1:0"}
    reading, writing = os.pipe()
    shown = ""
    with (
        open(reading) as text,  # noqa: PTH123  (it has no path)
        forking.start(
            "prober", arguments, environment=whole, stdout=writing, stderr=writing
        ) as process,
    ):
        os.close(writing)
        for line in text:
            shown += line
            if '"event": "ready"' in line or re.search(r"\bready\b|^MONITOR", line):
                break
        process.send_signal(signal.SIGINT)
        rest = text.read()
        return Done(process.wait(PATIENCE), shown + rest, "")
