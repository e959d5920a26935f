"""Requests to the API: whatever is asked, the answer is no error of the server's.

An input is a request as text: line feeds end its lines, the length of its body is worked out.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from prober.model.auth_settings import Auth, HuaweiKey, OracleKey, Role, Token
from prober.model.file_kinds import Secret
from prober.model.status import Reason
from prober.state.database import Database
from prober.web.server.callers import Access
from tests.edits.test_editor import FILE, World
from tests.engine.targets import PATIENCE
from tests.fuzz.stored import scratch
from tests.fuzz.subject import Feed, Subject
from tests.web.dialects.conftest import DOCUMENT
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World as Shown

BOUND = 1024 * 1024
"""Bytes that an answer may have."""
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3}) ")
_DONE = re.compile(rb"HTTP/\d\.\d 2")
_UNAVAILABLE = (501, 503, 505)
_NOT_SENT = (b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")


def _request(content: bytes) -> bytes:
    """Return the request that an input stands for; it is whole, so that nobody waits for more."""
    head, _, body = content.partition(b"\n\n")
    line, *headers = head.replace(b"\r", b"").split(b"\n")
    kept = [each for each in headers if not each.lower().lstrip().startswith(_NOT_SENT)]
    kept += [b"Connection: close", b"Content-Length: %d" % len(body)]
    return b"\r\n".join((line, *kept, b"", body))


async def _ask(port: int, content: bytes) -> bytes:
    """Return the answer; of a stream, what there is of it at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(_request(content))
            answer = b""
            while more := await reader.read(65536):
                answer += more
                if b"text/event-stream" in answer or len(answer) > BOUND:
                    break
            return answer
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def _judge(answer: bytes) -> None:
    """See that an answer, if there is one, is whole and no error of the server's."""
    assert len(answer) <= BOUND
    if not answer:
        return  # hung up on
    found = _STATUS.match(answer)
    assert found, answer[:200]
    status = int(found[1])
    assert status < 500 or status in _UNAVAILABLE, answer[:1000]
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"application/json" in head and b"chunked" not in head.lower() and body:
        json.loads(body)


def _guard() -> Access:
    """Return what knows a token, a key of each cloud, and nobody else."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    token, secret = Secret("canary", masked=True), Secret("hush", masked=True)
    auth = Auth(
        tokens=(Token(name="reader", role=Role.WRITE, token=token),),
        oracle_keys=(OracleKey(key_id="t/u/f", role=Role.WRITE, public_key=pem),),
        huawei_keys=(HuaweiKey(access_key="AK", role=Role.READ, secret_key=secret),),
    )
    return Access(auth, clock=count().__next__)  # no peer is ever locked out for long


@contextmanager
def _serving(*, guarded: bool) -> Iterator[Feed]:
    """Yield what asks an application whose monitors can be edited."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        database = Database(str(folder / "state"), report=lambda _what, _detail: None)
        stack.callback(database.close)
        runner = stack.enter_context(asyncio.Runner())
        world = Shown(database)
        editor = FakeEditor(world, DOCUMENT)
        monitors: Any = DOCUMENT["monitors"]
        app = world.app(
            editor=editor,
            access=_guard() if guarded else None,
            probe_now=lambda _key, _tell: None,
        )
        server, port = runner.run(_start(app))
        stack.callback(lambda: runner.run(server.cleanup()))

        def feed(content: bytes) -> None:
            world.record("web-http", "10.0.0.1:80")
            world.record("web-http", "10.0.0.2:80", Reason.REFUSED)
            _judge(runner.run(_ask(port, content)))
            if not content.startswith(b"GET "):
                editor._try(monitors)  # as they were, for the next one

        yield feed


class _Edited:
    """A prober that probes nothing, with its API, whose configuration can be edited."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._world: World | None = None

    async def ask(self, content: bytes) -> bytes:
        """Return the answer to a request; after an edit, begin anew."""
        if self._world is None:
            await self._begin()
        answer = await _ask(self._port, content)
        if not content.startswith(b"GET ") and _DONE.match(answer):
            await self.end()
        return answer

    async def _begin(self) -> None:
        world = self._world = World(self._folder, FILE)
        self._probing = world.prober.probing(world.edits.edited.config)
        self._probing.__enter__()
        world.edits.start()
        self._server, self._port = await _start(world.app())

    async def end(self) -> None:
        """Stop it, if it runs."""
        world, self._world = self._world, None
        if world is not None:
            await self._server.cleanup()
            await world.reloader.close()
            self._probing.__exit__(None, None, None)


@contextmanager
def _editing() -> Iterator[Feed]:
    """Yield what edits a configuration; each input finds it as it was."""
    with scratch() as folder, asyncio.Runner() as runner:
        edited = _Edited(folder)
        try:
            yield lambda content: _judge(runner.run(edited.ask(content)))
        finally:
            runner.run(edited.end())


async def _start(app: web.Application) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


SUBJECTS = (
    Subject("request", partial(_serving, guarded=False)),
    Subject("edit", _editing),
    Subject("credentials", partial(_serving, guarded=True)),
)
