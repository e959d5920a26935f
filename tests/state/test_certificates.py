"""When a target's certificate counts as changed: once for each that is new, also after restarts."""

from pathlib import Path

import pytest

from prober.model.monitor import Check, Monitor
from prober.model.pool import Backend, Pool
from prober.model.status import Outcome, Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.state.certificates import KNOWN, change, seen
from prober.state.check_state import CheckState
from prober.state.database import Database
from prober.state.events import CERTIFICATE_CHANGED
from prober.state.journal import Journal, Saved, read_saved
from prober.state.store import Store

ONE, OTHER, THIRD = "1" * 64, "2" * 64, "3" * 64


def facts(
    fingerprint: str = ONE, key: str = "sha256/A=", **more: float | str
) -> dict[str, float | str]:
    return {"tls_fingerprint": fingerprint, "tls_key": key, **more}


def checked(probe: TlsProbe | TcpProbe) -> Check:
    backend = Backend(address="192.0.2.1", port=443)
    monitor = Monitor(name="m", type="any", pool="p", probe=probe)
    return Check(monitor, Pool(name="p", backends=(backend,)), backend)


def store(journal: Journal | None = None, saved: Saved | None = None) -> tuple[Store, CheckState]:
    made = Store(wall=lambda: 1000.0, awake=lambda: 0.0, journal=journal, saved=saved)
    return made, made.add(checked(TlsProbe(tls=TlsSettings())))


def record(made: Store, state: CheckState, *prints: str, reason: Reason = Reason.OK) -> list[str]:
    """Record results with these certificates; return the causes of the events."""
    before = made.events.last_id
    for each in prints:
        made.record(state, Outcome(reason, "", facts(each), 1000.0, 0.1))
    events = made.events.after(before)
    return [each.cause for each in events if each.kind == CERTIFICATE_CHANGED]


def test_the_first_certificate_is_no_change_and_each_other_one_is_one() -> None:
    made, state = store()
    assert record(made, state, ONE, ONE) == []
    assert len(record(made, state, OTHER, OTHER)) == 1
    event = next(made.events.newest_first())
    assert (event.monitor, event.pool, event.backend) == ("m", "p", "192.0.2.1:443")
    assert (event.before, event.after, event.reason) == (None, None, None)


def test_certificates_that_alternate_are_told_of_once() -> None:
    made, state = store()
    assert len(record(made, state, *(ONE, OTHER) * 50)) == 1
    assert len(record(made, state, *(ONE, THIRD, OTHER) * 50)) == 1


def test_a_bad_result_changes_nothing() -> None:
    made, state = store()
    record(made, state, ONE)
    assert record(made, state, OTHER, reason=Reason.UNEXPECTED_STATUS) == []
    assert record(made, state, ONE) == []


def test_only_the_newest_are_known() -> None:
    known: tuple[str, ...] = ()
    for number in range(3 * KNOWN):
        known = seen(known, facts(str(number)))
    assert [each.split()[0] for each in known] == [str(n) for n in range(2 * KNOWN, 3 * KNOWN)]
    assert seen(known, facts(str(2 * KNOWN))) is known
    assert seen(known, {}) is known


@pytest.mark.parametrize(
    ("key", "words"), [("sha256/A=", "the same key"), ("sha256/B=", "another key")]
)
def test_it_is_told_in_words(key: str, words: str) -> None:
    now = facts(OTHER, key, tls_issuer="R11", tls_not_after=1_800_000_000.0)
    assert change(seen((), facts()), now) == (
        f"the target shows another certificate: SHA-256 2222222222222222, {words}, "
        "issued by R11, expires 2027-01-15"
    )


def test_they_are_known_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    database = Database(str(folder), report=print)
    journal = Journal(database, wall=lambda: 1000.0)
    made, state = store(journal)
    record(made, state, ONE, OTHER)
    journal.flush()
    database.close()
    database = Database(str(folder), report=print)
    saved = read_saved(database)
    database.close()
    made, state = store(saved=saved)
    assert record(made, state, ONE, OTHER, ONE) == []
    assert len(record(made, state, THIRD)) == 1


def test_a_check_without_tls_has_none() -> None:
    made = Store(wall=lambda: 1000.0, awake=lambda: 0.0)
    state = made.add(checked(TcpProbe()))
    assert record(made, state, ONE, OTHER) == []
