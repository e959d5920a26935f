"""Webhooks: what is sent, when, and what becomes of what is not taken."""

import asyncio
import hmac
import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from prober.model.file_kinds import Secret
from prober.model.known_status import JudgedCheck, NewCertificate
from prober.model.status import Reason, Status
from prober.outputs.output import Feed
from prober.outputs.posting import Poster, PostFailed
from prober.outputs.webhook import Webhook, WebhookOutput, first_statuses
from tests import ROOT
from tests.outputs.serving import World, pool, until

OUTPUTS = (ROOT / "docs/outputs.md").read_text()
SCHEMA = Draft202012Validator(
    json.loads((ROOT / "docs/webhook.schema.json").read_text()),
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)
SETTINGS = WebhookOutput(url="http://127.0.0.1:1/hook", group_wait=0.0)


class Posts(Poster):
    """Takes posts, or fails as it is told to."""

    def __init__(self, *failures: PostFailed) -> None:
        super().__init__(timeout=1.0)
        self.failures = list(failures)
        self.bodies: list[Any] = []
        self.headers: list[Any] = []

    async def post(self, _: str, body: Any, **how: Any) -> None:  # type: ignore[override]
        if self.failures:
            raise self.failures.pop(0)
        self.bodies.append(json.loads(body))
        if "version" in self.bodies[-1]:
            SCHEMA.validate(self.bodies[-1])
        self.headers.append(how["headers"])


async def send(world: World, posts: Posts, settings: WebhookOutput = SETTINGS) -> Webhook:
    hook = Webhook(settings, world.desk(), posts)
    await hook._send("web", final=False)
    return hook


async def test_what_is_well_from_the_beginning_is_not_sent() -> None:
    world, posts = World(SETTINGS, pool("ok", "ok")), Posts()
    feed = Feed()
    hook = Webhook(SETTINGS, world.desk(), posts)
    following = asyncio.create_task(hook.follow(feed))
    feed.add("web")
    await until(lambda: len(world.memory.content) == 3)
    world.source.put(pool("ok", "critical"))
    feed.add("web")
    await until(lambda: bool(posts.bodies))
    following.cancel()
    await hook.close()
    (body,) = posts.bodies
    assert body["group"] == {"pool": "web", "load_balancer": "lb"}
    assert [(c["kind"], c["from"], c["to"]) for c in body["changes"]] == [
        ("backend", "OK", "CRITICAL"),
        ("pool", "OK", "WARNING"),
    ]
    assert body["changes"][0]["reason"] == "refused"
    assert body["changes"][0]["cause"] == "connection refused"
    assert body["counts"] == {"OK": 1, "WARNING": 0, "CRITICAL": 1, "UNKNOWN": 0}
    assert body["status"] == "WARNING"


async def test_after_a_restart_nothing_is_sent_twice_and_nothing_is_forgotten() -> None:
    world, posts = World(SETTINGS, pool("critical", "ok")), Posts()
    await send(world, posts)
    await send(world, posts)
    assert len(posts.bodies) == 1
    world.source.put(pool("ok", "ok"))
    await send(world, posts)
    assert [c["to"] for c in posts.bodies[1]["changes"]] == ["OK", "OK"]


async def test_a_single_check_is_told_of_where_several_monitors_probe() -> None:
    world, posts = World(SETTINGS, pool("ok")), Posts()
    both = [JudgedCheck(name, "10.0.0.0:80", Status.OK, None, "", 1.0) for name in ("a", "b")]
    world.source.judged["web"] = tuple(both)
    hook = Webhook(SETTINGS, world.desk(), posts)
    hook._learn(first_statuses(pool("ok"), both, {}))
    assert await hook._send("web", final=False)
    assert not posts.bodies
    bad = both[1]._replace(status=Status.CRITICAL, reason=Reason.REFUSED, cause="no", since=9.0)
    world.source.judged["web"] = (both[0], bad)
    assert await hook._send("web", final=False)
    (change,) = posts.bodies[0]["changes"]
    assert change == {
        "kind": "check",
        "pool": "web",
        "backend": "10.0.0.0:80",
        "monitor": "b",
        "from": "OK",
        "to": "CRITICAL",
        "reason": "refused",
        "cause": "no",
        "at": change["at"],
        "since": "1970-01-01T00:00:09.000Z",
    }
    world.source.judged["web"] = (both[0],)  # UNKNOWN is not told of
    assert await hook._send("web", final=False)
    assert len(posts.bodies) == 1


async def test_another_certificate_is_told_of_once_also_after_a_restart() -> None:
    world, posts = World(SETTINGS, pool("ok")), Posts()
    feed = Feed()
    none = NewCertificate("m", "10.0.0.0:80", "", "")
    world.source.shown["web"] = (none,)
    hook = Webhook(SETTINGS, world.desk(), posts)
    following = asyncio.create_task(hook.follow(feed))
    feed.add("web")
    await until(lambda: "certificate m/10.0.0.0:80" in world.memory.content)
    world.source.shown["web"] = (none._replace(certificate="ab k", cause="it shows another"),)
    feed.add("web")
    await until(lambda: bool(posts.bodies))
    following.cancel()
    await hook.close()
    await send(world, posts)
    (body,) = posts.bodies
    (change,) = body["changes"]
    assert change == {
        "kind": "certificate",
        "pool": "web",
        "backend": "10.0.0.0:80",
        "monitor": "m",
        "from": None,
        "to": None,
        "reason": None,
        "cause": "it shows another",
        "at": change["at"],
        "since": change["at"],
    }


async def test_what_changed_before_the_output_existed_is_not_told_of() -> None:
    world, posts = World(SETTINGS, pool("ok")), Posts()
    shown = NewCertificate("m", "10.0.0.0:80", "ab k", "it shows another")
    world.source.shown["web"] = (shown,)
    await send(world, posts)
    assert not posts.bodies


async def test_chat_tools_are_told_of_another_certificate() -> None:
    settings = WebhookOutput(url=SETTINGS.url, format="slack")
    world, posts = World(settings, pool("ok")), Posts()
    shown = NewCertificate("m", "10.0.0.0:80", "ab k", "it shows another")
    world.source.shown["web"] = (shown,)
    world.memory.content = {"certificate m/10.0.0.0:80": "", "backend web/10.0.0.0:80": "OK"}
    world.memory.content["pool web"] = "OK"
    await send(world, posts, settings)
    assert posts.bodies == [{"text": "web: OK\n10.0.0.0:80: it shows another"}]


async def test_unknown_changes_nothing() -> None:
    world, posts = World(SETTINGS, pool("critical", "ok")), Posts()
    await send(world, posts)
    world.source.put(pool("unknown", "unknown"))
    await send(world, posts)
    assert len(posts.bodies) == 1


async def test_what_is_not_taken_is_tried_again_with_the_newest_state() -> None:
    world = World(SETTINGS, pool("critical", "ok"))
    posts = Posts(PostFailed("status", "HTTP 503"))
    hook = Webhook(SETTINGS, world.desk(), posts)
    assert not await hook._send("web", final=False)
    world.source.put(pool("critical", "critical"))
    assert await hook._send("web", final=False)
    assert len(posts.bodies[0]["changes"]) == 3
    assert world.counters.errors["status"] == 1


@pytest.mark.parametrize("final", [False, True])
async def test_what_is_refused_or_too_old_is_dropped(final: bool) -> None:
    world = World(SETTINGS, pool("critical", "ok"))
    posts = Posts(PostFailed("refused", "HTTP 400", final=not final))
    hook = Webhook(SETTINGS, world.desk(), posts)
    assert await hook._send("web", final=final)
    assert world.counters.dropped == 1
    assert not posts.bodies


def test_the_example_in_the_documents_fits_the_schema() -> None:
    (example,) = re.findall(r"```json\n(\{\"version\".*?)```", OUTPUTS, re.DOTALL)
    SCHEMA.validate(json.loads(example))


async def test_a_body_is_signed() -> None:
    settings = WebhookOutput(url=SETTINGS.url, secret=Secret("s3cret", masked=True))
    world, posts = World(settings, pool("critical")), Posts()
    await send(world, posts, settings)
    content = json.dumps(posts.bodies[0]).encode()
    expected = hmac.new(b"s3cret", content, sha256).hexdigest()
    assert posts.headers[0]["X-Prober-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("name", "key"),
    [("slack", "text"), ("mattermost", "text"), ("teams", "text"), ("discord", "content")],
)
async def test_chat_tools_get_the_least_that_they_take(name: str, key: str) -> None:
    settings = WebhookOutput(url=SETTINGS.url, format=name)
    world, posts = World(settings, pool("critical", "ok")), Posts()
    await send(world, posts, settings)
    said = "web: WARNING\n10.0.0.0:80 UNKNOWN -> CRITICAL: connection refused"
    assert posts.bodies == [{key: said}]


class Members:
    """Members of a cluster, of which one speaks."""

    cluster = "prod"

    def __init__(self) -> None:
        self.is_speaker = True
        self.content: dict[str, dict[str, str]] = {}
        self.followers: list[Callable[[str], None]] = []

    def speaks(self, _: str) -> bool:
        return self.is_speaker

    def told(self, _: str, pool: str) -> dict[str, str]:
        return self.content.get(pool, {})

    def tell(self, _: str, pool: str, told: Mapping[str, str]) -> None:
        self.content[pool] = dict(told)

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        self.followers.append(follower)
        return lambda: self.followers.remove(follower)


async def test_in_a_cluster_one_member_sends_and_another_one_goes_on_where_it_ended() -> None:
    world, other, members, silent = (
        World(SETTINGS, pool("critical", "ok")),
        World(SETTINGS, pool("critical", "ok")),
        Members(),
        Members(),
    )
    silent.is_speaker, silent.content = False, members.content
    world.speaker, other.speaker = members, silent
    posts, others = Posts(), Posts()
    await send(world, posts)
    await send(other, others)
    (body,) = posts.bodies
    assert body["prober"]["cluster"] == "prod"
    assert not others.bodies
    silent.is_speaker = True
    await send(other, others)
    assert not others.bodies  # it was told already
    other.source.put(pool("ok", "ok"))
    await send(other, others)
    (body,) = others.bodies
    assert [(c["kind"], c["from"], c["to"]) for c in body["changes"]] == [
        ("backend", "CRITICAL", "OK"),
        ("pool", "WARNING", "OK"),
    ]


async def test_a_new_speaker_looks_at_every_pool_again() -> None:
    world, members, posts = World(SETTINGS, pool("critical")), Members(), Posts()
    members.is_speaker, world.speaker = False, members
    desk = world.desk()
    hook = Webhook(SETTINGS, desk, posts)
    async with desk.following(hook.follow):
        await until(lambda: not desk.speaks() and bool(members.followers))
        members.is_speaker = True
        for follower in members.followers:
            follower("web")
        await until(lambda: bool(posts.bodies))
        await hook.close()
    assert not members.followers
