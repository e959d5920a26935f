"""What the log says of changes of checks."""

from structlog.testing import capture_logs

from prober.daemon.probing import log_transition
from tests.web.world import World, monitor

KEY = "10.0.0.1:443"


def test_another_certificate_is_logged() -> None:
    world = World()
    world.configure(monitor("m", KEY, type="HTTPS"))
    world.store.events.follow(log_transition)
    with capture_logs() as logged:
        for fingerprint in ("a" * 64, "b" * 64):
            world.record("m", KEY, times=2, facts={"tls_fingerprint": fingerprint})
    assert [each["event"] for each in logged] == ["status_changed", "certificate_changed"]
    assert logged[1] == {
        "event": "certificate_changed",
        "log_level": "info",
        "monitor": "m",
        "pool": "m",
        "backend": KEY,
        "cause": "the target shows another certificate: SHA-256 bbbbbbbbbbbbbbbb, the same key",
    }
