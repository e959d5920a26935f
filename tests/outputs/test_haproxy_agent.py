"""HAProxy's agent-check: the words, and a connection."""

import asyncio

import pytest

from prober.model.probe import Target
from prober.outputs.haproxy_agent import HaproxyAgent, HaproxyAgentOutput, words
from tests.outputs.serving import World, backend, pool, until

SETTINGS = HaproxyAgentOutput(listen=(Target("127.0.0.1", 0),), keep=0.0)


@pytest.mark.parametrize(
    ("word", "weight", "said"),
    [
        ("ok", None, "up ready"),
        ("ok", 50, "up ready 100%"),
        ("warning", None, "up ready"),
        ("warning", 50, "up ready 50%"),
        ("slow", 50, "up ready 50%"),
        ("critical", None, "ready down #refused"),
        ("critical", 50, "ready down #refused"),
        ("ok+drain", None, "up drain"),
        ("critical+drain", None, "ready down #refused"),
        ("unknown+drain", None, "up drain"),
        ("ok+maintenance", None, "maint"),
        ("critical+forced_up", None, "up ready"),
        ("critical+forced_up", 50, "up ready 100%"),
        ("ok+forced_down", None, "ready down #forced"),
    ],
)
def test_haproxy_is_told_in_its_own_words(word: str, weight: int | None, said: str) -> None:
    assert words(backend(1, word), weight) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("web/10.0.0.1:80\n", "ready down #refused"),
        ("web/b0", "up ready"),
        ("web/b9\n", ""),
        ("other/b0\n", ""),
        ("b0\n", ""),
        ("\n", ""),
        ("", ""),
        ("web/b2\n", ""),
        ("a/b/b0\n", "up ready"),
    ],
)
def test_a_line_names_the_backend(line: str, said: str) -> None:
    world = World(SETTINGS, pool("ok", "critical", "unknown"), pool("ok", name="a/b"))
    assert HaproxyAgent(SETTINGS, world.desk()).answer(line) == said


def test_what_is_held_is_said_once() -> None:
    settings = HaproxyAgentOutput(listen=(Target("127.0.0.1", 0),))
    world = World(settings, pool("ok"))
    agent = HaproxyAgent(settings, world.desk())
    assert agent.answer("web/b0") == "up ready"
    world.source.put(pool("critical"))
    assert [agent.answer("web/b0") for _ in "ab"] == ["up ready"] * 2
    assert [event for _, event, _ in world.said] == ["output_held"]
    assert world.noted[0][0] == "output_held"
    assert world.counters.held == {"web": 1}
    world.source.put(pool("ok"))
    agent.answer("web/b0")
    assert world.counters.held == {}


async def test_a_connection_is_answered_and_closed() -> None:
    world = World(SETTINGS, pool("ok"))
    async with SETTINGS.run(world.desk()):
        await until(lambda: bool(world.said))
        host, port = world.said[0][2]["address"].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"web/b0\n")
        assert await reader.read() == b"up ready\n"
        writer.close()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"x" * 5000)
        assert await reader.read() == b""
        writer.close()
    assert world.counters.sent == 1
