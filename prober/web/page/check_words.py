"""The state of a check in words."""

from datetime import UTC, datetime

from prober.model.fact import said
from prober.model.kinds import in_units
from prober.model.schedule import interval_for
from prober.model.status import Reason
from prober.model.wording import progress, result_words, span, time_text, took
from prober.probes import declared_facts
from prober.state.check_state import CheckState
from prober.state.recent import PastResult
from prober.web.page.html import Html, tag
from prober.web.page.survey import expiry_of, latency_of
from prober.web.server.services import Moment

DAY = 86400.0
NONE = "–"
"""The content of an empty cell."""


def last_words(state: CheckState) -> str:
    """Format the last result of a check, in the style of HAProxy."""
    if not state.check.enabled:
        return "disabled"
    last = state.last
    if last is None:
        return "not probed yet"
    facts = said(state.check.monitor.probe.facts, last.facts or {})
    return result_words(last.reason, facts, last.seconds)


def past_words(past: PastResult) -> str:
    """Format a remembered result the same way."""
    facts = said(declared_facts().values(), dict([past.fact] if past.fact else ()))
    return result_words(past.reason, facts, past.seconds)


def progress_words(state: CheckState) -> str:
    """Return how close a check is to another state."""
    monitor, health = state.check.monitor, state.health
    if not state.check.enabled:
        return ""
    return progress(
        online=health.online, streak=health.streak, rise=monitor.rise, fall=monitor.fall
    )


def latency_words(state: CheckState) -> str:
    """Format the median and the 95th percentile of the remembered good probes."""
    latency = latency_of(state)
    return f"{took(latency.p50)} / {took(latency.p95)}" if latency else NONE


def certificate_words(state: CheckState, now: float) -> str:
    """Return how many days the certificate is still valid."""
    expiry = expiry_of(state)
    if expiry is None:
        return NONE
    days = int(abs(expiry - now) // DAY)
    return f"{days} d" if expiry >= now else f"expired {days} d ago"


def interval_words(state: CheckState) -> str:
    """Format the interval at which a check is probed now."""
    monitor = state.check.monitor
    if not state.check.enabled:
        return NONE
    interval = interval_for(
        state.health,
        interval=monitor.interval,
        fast_interval=monitor.fast_interval,
        down_interval=monitor.down_interval,
    )
    return in_units(interval)


def next_words(state: CheckState, now: Moment) -> str:
    """Return when a check is probed next."""
    if not state.check.enabled or state.next_due is None:
        return NONE
    wait = state.next_due - now.clock
    return f"in {span(wait)}" if wait >= 1 else "in under 1s" if wait > 0 else "now"


def ago(at: float, now: float) -> Html:
    """Return how long ago something was; the exact time is in a tooltip."""
    return time_tag(at, span(now - at))


def time_tag(at: float, words: str, *, form: str | None = None) -> Html:
    """Return words about a time; the exact time, with its date, is in a tooltip.

    Args:
        at: Unix seconds.
        words: What is shown.
        form: The form of `static/times.js` in which the words are the time; None: in none.
    """
    title = clock_words(at, date=True)
    return tag("time", words, datetime=time_text(at), title=title, data_form=form)


def share_words(share: float | None) -> str:
    """Format an uptime; less than 100 % is never rounded up to it."""
    if share is None:
        return NONE
    if share == 1:
        return "100 %"
    return f"{min(share * 100, 99.999):.3f} %" if share > 0.99 else f"{share * 100:.2f} %"


def fine_took(seconds: float) -> str:
    """Format the duration of a phase, which may be a few microseconds."""
    return took(seconds) if seconds >= 1e-4 else f"{seconds * 1e6:.0f} µs"


def clock_words(at: float, *, date: bool = False) -> str:
    """Format a time of day, in UTC."""
    form = "%Y-%m-%d %H:%M:%S UTC" if date else "%H:%M:%S"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def reason_words(reason: Reason) -> str:
    """Format a reason without underscores."""
    return str(reason).replace("_", " ")


_FORMS = {"minute": "%H:%M", "day": "%-d %b", "date": "%Y-%m-%d %H:%M:%S"}


def slot_words(start: float, end: float, form: str) -> str:
    """Format a period in UTC, in a form of `static/times.js`."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    written = first.strftime(_FORMS[form]), last.strftime(_FORMS[form])
    return " – ".join(dict.fromkeys(written))


def time_cell(at: float, now: float) -> Html:
    """Format a time, with its date unless it is today."""
    at_day, today = (datetime.fromtimestamp(each, UTC).date() for each in (at, now))
    if at_day == today:
        return time_tag(at, clock_words(at), form="clock")
    return time_tag(at, clock_words(at, date=True).removesuffix(" UTC"), form="date")


def until_words(until: float | None, now: float) -> str:
    """Return how long something still lasts, or nothing if it has no end."""
    return "" if until is None else f"for {span(until - now)}"


def why_words(state: CheckState, now: float) -> str:
    """Return a sentence about why a check has its status."""
    last, streak = state.last, state.health.streak
    if not state.check.enabled:
        return "DISABLED: the monitor is disabled, so it is not probed."
    lasted = f"{state.status} for {span(now - state.since)}"
    if last is None:
        return f"{lasted}: not probed yet."
    detail = last.detail or last.reason.sentence
    times = f"{abs(streak):,} {'time' if abs(streak) == 1 else 'times'} in a row"
    if state.is_stale:
        return f"{lasted}: only inconclusive results, last {detail}."
    if state.degraded and last.reason.is_good:
        return f"{lasted}: {last.reason.sentence} ({detail})."
    if streak < 0:
        return f"{lasted}: {detail}, {times}."
    word = "good" if state.health.online else "good again"
    return f"{lasted}: {word} {times}, {detail}."
