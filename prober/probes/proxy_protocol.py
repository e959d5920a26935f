"""The option `send_proxy`: a PROXY header before the first byte of a connection."""

from collections.abc import Callable, Generator
from typing import Any

from prober.model.kinds import choice
from prober.model.option import option
from prober.model.probe import ENDS, AskEnds, Ends, Send, Steps
from prober.protocols.proxy_header import FORMS, write_header

_FORM = choice(*FORMS)


def send_proxy_option() -> Any:
    """Declare the option, which every type has that speaks over a stream."""
    return option(
        _FORM,
        default=None,
        doc=(
            "begin with a PROXY protocol header: `v1` or `v2_proxy` with the addresses of the "
            "probe, or `v2` (LOCAL), as load balancers send it with their own checks"
        ),
    )


def announcing(form: str | None, begin: Callable[[], Steps]) -> Callable[[], Steps]:
    """Return what starts a probe that first sends a header, if one is asked for."""
    return begin if form is None else lambda: _announced(form, begin)


def _announced(form: str, begin: Callable[[], Steps]) -> Steps:
    yield from announce(form)
    return (yield from begin())


def announce(form: str | None) -> Generator[AskEnds | Send, Any, None]:
    """Send a header, if one is asked for: the first steps on each connection of a probe."""
    if form is not None:
        ends: Ends = yield ENDS
        yield Send(write_header(form, ends.source, ends.target))
