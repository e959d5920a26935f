"""What a member asks the others, and what becomes of answers that are late, wrong or missing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from prober.daemon.owners import FRESH, REST, Owners
from prober.model.ballot import Ballot, Vote
from prober.model.health import Health
from prober.model.monitor import Model
from prober.model.pool import Pool
from prober.model.status import NO_PHASES, Reason, Status
from prober.state.recent import PastResult
from prober.state.shared_past import SharedPast, past_json
from prober.state.shared_store import SharedStore
from prober.state.slots import empty_slot
from tests.web.world import backends, monitor

ONE = "10.0.0.1:80"
KEY = ("m", ONE)
PAST = SharedPast(7, None, [PastResult(1e9, Reason.OK, None, 0.5, NO_PHASES)], [])
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asking:
    """A member that does not probe KEY, and another one that answers as it is told to."""

    def __init__(self, url: str) -> None:
        self.now = 100.0
        self.store = SharedStore("here", "", wall=lambda: 2e9, awake=lambda: self.now)
        pool = Pool(name="p", backends=backends(ONE))
        model = Model((monitor("m", pool="p"),), (pool,))
        self.store.adopt(model)
        for check in model.checks():
            self.state = self.store.add(check)
        vote = Vote(Status.OK, Health(True, 3), 1e9, degraded=False, last=None)
        self.store.show(KEY, [Ballot("there", "", vote)], 1)
        self.owners = Owners(
            "here", None, self.store, urls=lambda: {"there": url}, clock=lambda: self.now
        )

    def shown(self) -> list[PastResult]:
        return list(self.state.recent.newest_first())


@asynccontextmanager
async def asking(answer: Answer) -> AsyncIterator[tuple[Asking, list[str]]]:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        made = Asking(f"http://127.0.0.1:{server.port}")
        try:
            yield made, asked
        finally:
            await made.owners.close()


async def test_results_are_asked_for_once_in_a_while_and_shown() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"pasts": [past_json(PAST)]})

    async with asking(answer) as (member, asked):
        await member.owners.refresh([KEY, ("m", "10.9.9.9:1")])
        await member.owners.refresh([KEY])
        assert asked == ["POST /api/v1/cluster/past"]
        assert member.shown() == list(PAST.recent)
        member.now += FRESH
        await member.owners.refresh([KEY])
        assert len(asked) == 2
        assert member.state.status is Status.OK


@pytest.mark.parametrize(
    "body", [b"nonsense", b"[]", b'{"pasts": [{}]}', b'{"pasts": 1}', b'{"pasts": []}']
)
async def test_an_answer_that_is_none_changes_nothing(body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with asking(answer) as (member, _):
        await member.owners.refresh([KEY])
        assert await member.owners.slots(KEY, range(0, 600, 300)) == []
        assert await member.owners.answer(KEY) is None
        assert member.shown() == []


async def test_pages_leave_a_member_that_does_not_answer_alone_for_a_while() -> None:
    well = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        if not well.is_set():
            return web.Response(status=500)
        slot = empty_slot(300)._replace(probes=2)
        return web.json_response({"pasts": [past_json(SharedPast(0, None, [], [slot]))]})

    async with asking(answer) as (member, asked):
        await member.owners.refresh([KEY])
        member.now += FRESH
        await member.owners.refresh([KEY])
        assert await member.owners.slots(KEY, range(300, 600, 300)) == []
        assert len(asked) == 1
        assert await member.owners.answer(KEY) is None
        assert len(asked) == 2  # who asks for one check has it tried
        well.set()
        member.now += REST
        ((slot,),) = await member.owners.slots(KEY, range(300, 600, 300))
        assert slot.probes == 2


async def test_the_owner_is_asked_to_probe_and_its_answer_is_given_as_it_is() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"message": "the monitor is disabled"}, status=409)

    async with asking(answer) as (member, asked):
        status, said = await member.owners.probe(KEY, 60.0) or (0, None)
        assert (status, said) == (409, {"message": "the monitor is disabled"})
        assert asked == [f"POST /api/v1/checks/m/{ONE}/probe"]
