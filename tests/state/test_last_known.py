"""What outputs are told of single checks."""

from prober.model.admin import AdminEntry, AdminState
from prober.model.known_status import NewCertificate
from prober.model.pool import Pool
from prober.model.status import Reason, Status
from prober.state.last_known import LastKnown
from tests.web.world import WALL, World, backends, monitor

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


def configured(*names: str) -> tuple[World, LastKnown]:
    """Return a pool of two backends with these monitors, all of whose checks are OK."""
    world = World()
    monitors = [monitor(name, pool="p") for name in names]
    world.configure(*monitors, pools=(Pool(name="p", backends=backends(ONE, TWO)),))
    for name in names:
        for key in (ONE, TWO):
            world.record(name, key, times=2)
    return world, LastKnown(world.store, wall=lambda: world.wall)


def test_checks_are_told_of_if_several_monitors_probe_a_pool() -> None:
    _, known = configured("a")
    assert list(known.checks("p")) == []
    assert list(known.checks("absent")) == []
    world, known = configured("a", "b")
    world.record("b", TWO, Reason.REFUSED, times=3, detail="no")
    found = {(each.monitor, each.backend): each for each in known.checks("p")}
    assert len(found) == 4
    assert found["a", TWO].status is Status.OK
    assert (found["a", TWO].reason, found["a", TWO].cause) == (None, "")
    bad = found["b", TWO]
    assert (bad.status, bad.reason, bad.cause, bad.since) == (
        *(Status.CRITICAL, Reason.REFUSED),
        *("no", WALL),
    )


def test_what_is_decided_or_proves_nothing_is_not_told_of() -> None:
    world, known = configured("a", "b")
    entry = AdminEntry(AdminState.MAINTENANCE, None, "", "a test", WALL)
    world.store.admin.put(("monitors", "a"), entry)
    assert {each.monitor for each in known.checks("p")} == {"b"}
    world.store.admin.put(("backends", f"p/{ONE}"), entry)
    assert [each.backend for each in known.checks("p")] == [TWO]


def test_the_certificate_that_changed_last_is_told_of() -> None:
    world = World()
    world.configure(monitor("m", ONE, type="HTTPS"))
    known = LastKnown(world.store, wall=lambda: world.wall)
    woken: list[str] = []
    known.follow(woken.append)
    none = NewCertificate("m", ONE, "", "")
    assert list(known.certificates("m")) == [none]
    for fingerprint in ("a" * 64, "b" * 64):
        assert list(known.certificates("m")) == [none]
        world.record("m", ONE, times=2, facts={"tls_fingerprint": fingerprint, "tls_issuer": "CA"})
    cause = "the target shows another certificate: SHA-256 bbbbbbbbbbbbbbbb, the same key"
    shown = NewCertificate("m", ONE, f"{'b' * 64} ", f"{cause}, issued by CA")
    assert list(known.certificates("m")) == [shown]
    assert woken == ["m", "m"]  # it is online; another certificate
    world.record("m", ONE, Reason.REFUSED)
    assert list(known.certificates("m")) == [shown._replace(cause=cause)]
    assert list(known.certificates("absent")) == []
    entry = AdminEntry(AdminState.MAINTENANCE, None, "", "a test", WALL)
    world.store.admin.put(("monitors", "m"), entry)
    assert list(known.certificates("m")) == []
