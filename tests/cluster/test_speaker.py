"""Which member tells people what an output has to say."""

from collections import Counter
from typing import Any

from prober.cluster.keys import Keys
from prober.cluster.knowledge import Knowledge
from prober.cluster.records import MemberRecord
from prober.cluster.rota import Rota
from prober.cluster.standing import Standing

OUTPUTS = [f"hook-{n}" for n in range(300)]


def speakers(*members: MemberRecord) -> list[str | None]:
    """Return who speaks for each output, as each member sees it; they agree."""
    seen = []
    for me in members:
        known = Knowledge(Keys("c"))
        known.members = {each.name: each for each in members}
        work: Any = None  # it is not asked
        standing = Standing(lambda: 0.0)
        rota = Rota(me, Keys("c"), known, work, standing, clock=lambda: 0.0, tell=lambda _: None)
        seen.append([rota.speaker(output) for output in OUTPUTS])
    assert all(each == seen[0] for each in seen)
    return seen[0]


def member(name: str, *, outputs: list[str] = OUTPUTS, draining: bool = False) -> MemberRecord:
    return MemberRecord(name, "i", outputs="\n".join(outputs), draining=draining)


def test_all_members_agree_on_the_speaker_and_each_speaks_for_some() -> None:
    found = Counter(speakers(member("a"), member("b"), member("c")))
    assert found.keys() == {"a", "b", "c"}
    assert min(found.values()) > 60


def test_only_the_outputs_of_a_member_that_leaves_are_taken_over() -> None:
    before = speakers(member("a"), member("b"), member("c"))
    after = speakers(member("a"), member("b"), member("c", draining=True))
    assert "c" not in after
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"c"}
    assert set(speakers(member("c", draining=True))) == {"c"}  # the last one


def test_a_member_without_an_output_does_not_speak_for_it() -> None:
    having, other = member("a", outputs=OUTPUTS[:1]), member("b", outputs=[])
    assert speakers(having, other) == ["a", *[None] * (len(OUTPUTS) - 1)]
