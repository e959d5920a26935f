"""Files whose disk does not answer, and what is no file: nobody waits for either."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.files.bounded import BoundedCalls, aside
from prober.files.regular import read_in_time, read_regular


class DeadDisk:
    """A disk that answers nobody until it is mended."""

    def __init__(self) -> None:
        self.asked = 0
        self._mended = threading.Event()

    def read(self) -> str:
        """Wait for the disk."""
        self.asked += 1
        self._mended.wait()
        return "content"

    def mend(self) -> None:
        """Answer everybody from now on."""
        self._mended.set()


@pytest.fixture
def dead() -> Iterator[DeadDisk]:
    disk = DeadDisk()
    yield disk
    disk.mend()


def test_a_call_that_is_answered_has_its_result_or_its_error() -> None:
    calls = BoundedCalls()
    assert [calls.call("/a", lambda: 1), calls.call("/b", lambda: 2)] == [1, 2]
    with pytest.raises(FileNotFoundError):
        calls.call("/a", Path("/nowhere/at/all").stat)


def test_a_disk_that_is_dead_is_given_up_and_not_asked_again_until_it_answers(
    dead: DeadDisk,
) -> None:
    calls = BoundedCalls(0.01)
    for _ in range(5):
        with pytest.raises(TimeoutError, match=r"the disk did not answer within 0\.01 s"):
            calls.call("/dead", dead.read)
    assert dead.asked == 1
    assert BoundedCalls().call("/alive", lambda: "other") == "other"
    dead.mend()
    calls._blocked["/dead"].ended.wait()
    assert BoundedCalls().call("/dead", dead.read) == "content"
    calls._seconds = 60.0
    assert calls.call("/dead", dead.read) == "content"


async def test_the_event_loop_gives_up_what_blocks(dead: DeadDisk) -> None:
    with pytest.raises(TimeoutError, match=r"did not answer within 0\.01 s"):
        await aside(dead.read, seconds=0.01)
    assert await aside(lambda each: each + 1, 1) == 2
    with pytest.raises(FileNotFoundError):
        await aside(Path("/nowhere/at/all").stat)
    task = asyncio.create_task(aside(dead.read))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_exit_waits_for_nothing_that_blocks() -> None:
    script = """
import threading
from prober.files.bounded import BoundedCalls
try:
    BoundedCalls(0.01).call("/dead", threading.Event().wait)
except TimeoutError as error:
    print(error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "the disk did not answer within 0.01 s\n"


def test_a_named_pipe_a_socket_a_device_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [
        (tmp_path / "pipe", "it is a named pipe; expected a regular file"),
        (tmp_path, "Is a directory"),
        (Path("/dev/zero"), "it is a device; expected a regular file"),
        (tmp_path / "none", "No such file or directory"),
    ]:
        with pytest.raises(OSError, match=reason):
            read_in_time(str(path), 100)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device or address"):
            read_in_time(str(tmp_path / "s"), 100)


def test_files_and_pipes_that_are_open_already_are_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    assert read_regular(str(tmp_path / "f"), 100) == b"content"
    assert read_regular(str(tmp_path / "f"), 3) == b"con"
    assert read_regular(os.devnull, 100) == b""
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb") as writing:
        writing.write(b"by a pipe")
        writing.close()
        assert read_regular(f"/dev/fd/{reader}", 100) == b"by a pipe"
