"""When the prober calls itself overloaded, and when no more."""

import pytest

from prober.model.delay import Delay
from prober.state.load import WINDOW, Load


def seen(pattern: str) -> list[bool]:
    """Return after each second whether it is overloaded.

    A second of the pattern is `.` idle, `o` ten probes in time, `x` one in ten late, `1` one probe
    in a hundred late.
    """
    load, found = Load(), []
    for second, sign in enumerate(pattern):
        due = {".": 0, "o": 10, "x": 10, "1": 100}[sign]
        for number in range(due):
            late = number == 0 and sign in "x1"
            load.saw_starts(second + number / 200, 1, [Delay.CPU] if late else [])
        load.review(second + 1)
        found.append(load.overload is not None)
    return found


@pytest.mark.parametrize(
    ("pattern", "overloaded"),
    [
        ("oooooooooo", False),
        ("1111111111", False),
        ("oooox", False),  # a single standstill
        ("oooxx", False),
        ("xxx", True),
        ("ooxxx", True),
        ("oooooooxxx", False),  # most were in time
        ("oooooooxxxxx", True),
        ("x..x..x..", True),  # few probes, all late
        ("xxxoooooooo", True),  # not over before the window says so
        ("xxx..........", False),
        ("xxxooooooooooo", False),
    ],
)
def test_many_late_probes_in_several_seconds_are_an_overload(
    pattern: str, overloaded: bool
) -> None:
    assert seen(pattern)[-1] is overloaded


def test_it_begins_and_ends_once() -> None:
    pattern = "ooo" + "xxxxx" * 4 + "ooxoooooo" + "o" * WINDOW
    found = "".join("x" if each else "o" for each in seen(pattern))
    assert found.strip("o").count("o") == 0


def test_it_says_how_much_is_late_and_what_most_of_it_waited_for() -> None:
    told = list[str]()
    load = Load(lambda: told.append(load.overload.sentence if load.overload else "over"))
    for second in range(4):
        load.saw_starts(second, 1)
        load.saw_starts(second, 3, [Delay.CPU, Delay.UDP_PACE, Delay.UDP_PACE])
    assert load.overload is not None
    assert (load.overload.share, load.overload.cause) == (0.75, Delay.UDP_PACE)
    load.review(100)
    assert told[0].startswith(f"75% of the probes of the last {WINDOW} s started more than half")
    assert told[1:] == ["over"]
    assert load.late == {Delay.CPU: 4, Delay.UDP_PACE: 8}
