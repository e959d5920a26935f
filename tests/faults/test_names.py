"""Trouble with names: the resolver's is ours, the name's is the target's."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.engine.targets import listening
from tests.faults.namespaces import Host, host
from tests.faults.resolving import NXDOMAIN, SERVFAIL, Said, name_server
from tests.faults.watching import EVERY_RESULT, blamed, changes, monitor, probes
from tests.running import Daemon, daemon, until

pytestmark = pytest.mark.namespaces
Start = Callable[..., Daemon]


class Names:
    """What the name server says: of every name the same, until the test says otherwise."""

    def __init__(self, here: Host) -> None:
        self.here = here
        self.said: Said = "127.0.0.1"
        self.said_of: dict[str, Said] = {}
        self.asked: set[str] = set()
        self.patience = "timeout:30"

    def __call__(self, name: str) -> Said:
        self.asked.add(name)
        if name.startswith("hangs"):
            return None
        return self.said_of.get(name, self.said)


@pytest.fixture
def names() -> Iterator[Names]:
    with host() as here:
        said = Names(here)
        with ExitStack() as stack:
            with here.entered():
                stack.enter_context(name_server(said))
            yield said


@pytest.fixture
def start(names: Names, tmp_path: Path) -> Iterator[Start]:
    """Start the daemon where the name server is, beside a target on 127.0.0.1 that is well."""
    resolv_conf = tmp_path / "resolv.conf"
    with ExitStack() as stack:

        def begin(*hosts: str, **keys: object) -> Daemon:
            resolv_conf.write_text(f"nameserver 127.0.0.1\noptions {names.patience}\n")
            port = stack.enter_context(listening(lambda _: None))
            monitors: list[dict[str, object]] = [
                {**monitor(name, "TCP", f"{name}:{port}", timeout="5m"), **keys} for name in hosts
            ]
            for each in monitors:
                if "targets_from" in each:
                    del each["targets"]
            running: AbstractContextManager[Daemon] = daemon(
                {"monitors": monitors},
                tmp_path,
                *EVERY_RESULT,
                resolv_conf=resolv_conf,
            )
            return stack.enter_context(running)

        stack.enter_context(names.here.entered())
        yield begin


@pytest.mark.parametrize("said", [SERVFAIL, None], ids=["servfail", "silence"])
def test_a_resolver_that_fails_says_nothing_about_the_target(
    names: Names, start: Start, said: int | None
) -> None:
    names.said = said
    names.patience = "timeout:1 attempts:1"
    running = start("web.example")
    probes(running, 3, reason="dns_unavailable")
    assert not changes(running.lines)
    names.said = "127.0.0.1"
    running.wait_for("status_changed", to="OK")
    assert not blamed(running.lines)


def test_an_address_that_is_known_is_used_while_the_resolver_fails(
    names: Names, start: Start
) -> None:
    running = start("web.example")
    running.wait_for("status_changed", to="OK")
    names.said = SERVFAIL
    names.asked.clear()
    while not names.asked:
        probes(running, 1)
    probes(running, 5, result="OK")
    assert changes(running.lines) == [("web.example", "OK")]


def test_a_name_that_is_not_there_is_the_targets_trouble(names: Names, start: Start) -> None:
    names.said = NXDOMAIN
    down = start("web.example").wait_for("status_changed")
    assert (down["to"], down["reason"], down["streak"]) == ("CRITICAL", "dns_not_found", -3)


def test_a_name_that_moves_is_followed(names: Names, start: Start) -> None:
    running = start("web.example")
    running.wait_for("status_changed", to="OK")
    names.said = "127.0.0.99"  # where nobody listens
    down = running.wait_for("status_changed", to="CRITICAL")
    assert down["reason"] == "refused"


def test_what_a_name_has_does_not_depend_on_the_addresses_of_this_host(
    names: Names, start: Start
) -> None:
    """No interface but loopback has an IPv4 address, and one has an address of IPv6."""
    names.here.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "other")
    names.here.run("ip", "address", "add", "fd00::1/64", "dev", "cable", "nodad")
    names.here.run("ip", "link", "set", "cable", "up")
    running = start("web.example")
    running.wait_for("status_changed", to="OK")
    assert not blamed(running.lines)


def test_names_that_hang_hold_up_neither_addresses_nor_known_names(
    names: Names, start: Start
) -> None:
    names.patience = "timeout:30 attempts:3"
    hanging = {f"hangs{i}.example" for i in range(64)}
    running = start("web.example", "127.0.0.1", *sorted(hanging))
    until(lambda: hanging <= names.asked)
    for name in ("web.example", "127.0.0.1"):
        probes(running, 10, monitor=name, result="OK")
    ended = {line["monitor"] for line in running.lines if line["event"] == "probed"}
    assert ended == {"web.example", "127.0.0.1"}
    assert not blamed(running.lines)


def test_every_address_of_a_name_is_judged_while_the_addresses_change(
    names: Names, start: Start
) -> None:
    names.said = ("127.0.0.1", "127.0.0.2")
    running = start("web.example", addresses="all")
    running.wait_for("status_changed", to="CRITICAL", reason="refused")
    _, content = running.get("/api/v1/checks")
    (check,) = json.loads(content)["checks"]
    assert check["last"]["detail"] == (
        "1 of 2 addresses good, 2 needed; 127.0.0.2: connection refused"
    )
    names.said = "127.0.0.1"
    running.wait_for("status_changed", to="OK")
    names.said = ("127.0.0.2", "127.0.0.3")
    running.wait_for("status_changed", to="CRITICAL", reason="refused")


def backends(running: Daemon) -> dict[str, str]:
    """Return the status of each backend."""
    checks = json.loads(running.get("/api/v1/checks")[1])["checks"]
    return {each["backend"]: each["status"] for each in checks}


def test_names_are_expanded_into_backends_that_come_and_go(names: Names, start: Start) -> None:
    names.said_of = {
        "db.example": ("127.0.0.1", "127.0.0.2"),
        "_db._tcp.example": [(7, "one.example"), (7, "two.example")],
    }
    source = {"expand": ["db.example:7", "_db._tcp.example"], "interval": "1s"}
    running = start("all", targets_from=source)
    running.wait_for("config_revised", added=4)
    assert backends(running).keys() == {
        *("127.0.0.1:7", "127.0.0.2:7", "one.example:7", "two.example:7"),
    }
    names.said_of["db.example"] = ("127.0.0.2", "127.0.0.3")
    running.wait_for("config_revised", added=1, removed=1)
    names.said_of["one.example"] = "127.0.0.9"  # its address is another, it is the same backend
    names.said_of["_db._tcp.example"] = [(7, "one.example")]
    running.wait_for("config_revised", added=0, removed=1)
    assert backends(running).keys() == {"127.0.0.2:7", "127.0.0.3:7", "one.example:7"}
    names.said_of["db.example"] = NXDOMAIN
    running.wait_for("target_list_kept", monitors=["all"])
    assert backends(running).keys() == {"127.0.0.2:7", "127.0.0.3:7", "one.example:7"}
