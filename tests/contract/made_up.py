"""A probe type that only the tests know: over UDP, silence is bad, facts of every kind."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import ClassVar, cast

from prober.model.fact import NUMBER, TEXT, TIME, Fact, Gauge, IfAbsent
from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import integer, text
from prober.model.option import option
from prober.model.probe import RECEIVE, Probe, Send, Steps, Target, Trouble
from prober.model.status import FactValue, Reason, Verdict
from prober.probes import PROBE_TYPES

NAME = "MADE_UP"
NUMBER_SAID, TIME_SAID = 42.5, 1_900_000_000.0
PASSWORD = "xyzzy-very-secret"

WORD = Fact(
    name="made_up_word",
    kind=TEXT,
    doc="the word that came back",
    said="said {}",
    remembered=True,
    expected_by="word",
)
FIGURE = Fact(
    name="made_up_number",
    kind=NUMBER,
    doc="the number that came with it",
    gauge=Gauge("probe_made_up_number", "Number that came with the word"),
    gauge_if_absent=IfAbsent(lambda _: -1.0, "-1"),
)
MOMENT = Fact(name="made_up_time", kind=TIME, doc="a time that came with it")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpProbe(Probe):
    """Send a word, and expect it back with a number."""

    good_when: ClassVar[str] = "the `word` comes back"
    facts: ClassVar[tuple[Fact, ...]] = (WORD, FIGURE, MOMENT)
    example: ClassVar[Mapping[str, object]] = {"word": "hello"}
    default_port: ClassVar[int | None] = 7
    nearest: ClassVar[str] = "UDP"
    not_in_demo: ClassVar[str] = "only the tests have it"

    word: str = option(text(1, 100), doc="the word to send")
    password: Secret | None = option(SECRET, default=None, secret=True, doc="sent with the word")
    times: int = option(integer(1, 3), default=1, doc="how often it is sent")

    @property
    def datagram(self) -> bool:
        """Whether the probe speaks over UDP: it does, though a type could leave it to a key."""
        return True

    def advice(self) -> Iterator[str]:
        """Warn of what is sent more often than it needs to be."""
        if self.times == 3:
            yield "the word is sent three times; once is enough"

    def bind(self, _: Target) -> Callable[[], Steps]:
        """Return what starts one probe."""
        return self._converse

    def _converse(self) -> Steps:
        password = self.password.content if self.password else ""
        content = b""
        for _ in range(self.times):
            yield Send(f"{self.word} {password}".encode())
            content = yield RECEIVE
        word, _, number = content.decode(errors="replace").partition(" ")
        try:
            facts: dict[str, FactValue] = {
                WORD.name: word[:100],
                FIGURE.name: float(number),
                MOMENT.name: TIME_SAID,
            }
        except ValueError:
            raise Trouble(Reason.BAD_RESPONSE, "the reply has no number") from None
        if word != self.word:
            detail = f"said {word!r}, expected {self.word!r}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        return Verdict(Reason.OK, f"said {word!r}", facts)


class Parrot(asyncio.DatagramProtocol):
    """Says each word back, with a number; but "wrong" for a word that begins with `x`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        word = data.decode().partition(" ")[0]
        word = "wrong" if word.startswith("x") else word
        self._transport.sendto(f"{word} {NUMBER_SAID}".encode(), addr)


def register(types: Mapping[str, type[Probe]] = PROBE_TYPES) -> None:
    """Let prober have the type."""
    cast("MutableMapping[str, type[Probe]]", types)[NAME] = MadeUpProbe


TYPES: Mapping[str, type[Probe]] = {**PROBE_TYPES, NAME: MadeUpProbe}
"""Every type of prober, and the one that is made up."""
