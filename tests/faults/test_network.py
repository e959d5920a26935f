"""Trouble of the prober's own network, on hosts of their own: links, routes, ports, filters."""

import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.targets import listening
from tests.faults.namespaces import Host, host, linked
from tests.faults.watching import EVERY_RESULT, blamed, bugs, changes, metric, monitor, probes
from tests.running import daemon

pytestmark = pytest.mark.namespaces
FAR = "10.9.0.2"


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with linked() as both:
        yield both


def at(stack: ExitStack, where: Host, address: str) -> int:
    """Start a TCP target there and return its port."""
    with where.entered():
        return stack.enter_context(listening(lambda _: None, address))


def test_without_its_link_it_knows_nothing_and_blames_nobody(
    tmp_path: Path, hosts: tuple[Host, Host]
) -> None:
    near, far = hosts
    with ExitStack() as stack:
        port = at(stack, far, FAR)
        config = {"monitors": [monitor("web", "TCP", f"{FAR}:{port}", timeout="3s")]}
        stack.enter_context(near.entered())
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        running.wait_for("status_changed", to="OK")
        near.run("ip", "link", "set", "cable", "down")
        running.wait_for("probed", reason="no_route")
        unknown = running.wait_for("status_changed")
        assert (unknown["from"], unknown["to"], unknown["reason"]) == ("OK", "UNKNOWN", "no_route")
        assert unknown["streak"] > 0
        near.run("ip", "link", "set", "cable", "up")
        back = running.wait_for("status_changed")
        assert back["to"] == "OK"
        assert back["streak"] == unknown["streak"] + 1  # the first result after it is enough
        assert not blamed(running.lines)


@pytest.mark.parametrize("kind", ["TCP", "UDP_CONNECT"])
def test_a_cable_that_is_out_is_our_trouble(
    tmp_path: Path, hosts: tuple[Host, Host], kind: str
) -> None:
    """Its own end is up and has a route, so that the kernel lets every packet go.

    The kernel can take a second to know (net/core/link_watch.c): the timeout is longer.
    """
    near, far = hosts
    with ExitStack() as stack:
        port = at(stack, far, FAR)
        with far.entered():
            silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            silent.bind((FAR, port))
        config = {"monitors": [monitor("web", kind, f"{FAR}:{port}", timeout="1500ms")]}
        stack.enter_context(near.entered())
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        running.wait_for("status_changed", to="OK")
        far.run("ip", "link", "set", "cable", "down")
        probes(running, 2, reason="no_route")
        far.run("ip", "link", "set", "cable", "up")
        probes(running, 1, result="OK")
        assert not blamed(running.lines)


NOWHERE = {
    # target: what is done with packets to its network, the reason that is found
    "10.1.1.1:9": ("", "no_route"),
    "[2001:db8::1]:9": ("", "no_route"),
    "192.0.2.1:9": ("unreachable", "no_route"),
    "198.51.100.1:9": ("blackhole", "no_route"),
    "203.0.113.1:9": ("prohibit", "not_permitted"),
}


def test_a_route_of_ours_that_leads_nowhere_is_our_trouble(tmp_path: Path) -> None:
    with ExitStack() as stack:
        here = stack.enter_context(host())
        for target, (kind, _) in NOWHERE.items():
            if kind:
                here.run("ip", "route", "add", kind, f"{target.partition(':')[0]}/32")
        stack.enter_context(here.entered())
        monitors = [
            monitor(f"{kind} {target}", kind, target)
            for target in NOWHERE
            for kind in ("TCP", "UDP_CONNECT")
        ]
        running = stack.enter_context(daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT))
        for target, (_, reason) in NOWHERE.items():
            probes(running, 4, monitor=f"TCP {target}", reason=reason)
            probes(running, 1, monitor=f"UDP_CONNECT {target}", reason=reason)
        assert not blamed(running.lines)
        assert not changes(running.lines)
        assert metric(running, "prober_local_errors_total", reason="no_route") >= 4


def test_a_host_that_is_not_there_is_the_targets_trouble(
    tmp_path: Path, hosts: tuple[Host, Host]
) -> None:
    near, _ = hosts
    with near.entered():
        target = monitor("web", "TCP", "10.9.0.77:9", fall=1)
        with daemon({"monitors": [target]}, tmp_path, *EVERY_RESULT) as running:
            down = running.wait_for("status_changed")
            assert (down["to"], down["reason"]) == ("CRITICAL", "unreachable")


def filtered(where: Host, rule: str) -> None:
    """Have a packet filter with one rule."""
    where.run(
        "nft", "add table inet t; add chain inet t out { type filter hook output priority 0; }"
    )
    where.run("nft", f"add rule inet t out {rule}")


needs_nft = pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")


@needs_nft
def test_a_filter_of_ours_that_holds_datagrams_back_is_our_trouble(tmp_path: Path) -> None:
    with ExitStack() as stack:
        here = stack.enter_context(host())
        filtered(here, "udp dport 7 drop")
        stack.enter_context(here.entered())
        config = {"monitors": [monitor("echo", "UDP_CONNECT", 7)]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        probes(running, 2, reason="not_permitted")
        assert not blamed(running.lines)


@needs_nft
def test_packets_that_vanish_are_a_timeout_and_hold_nobody_up(
    tmp_path: Path, hosts: tuple[Host, Host]
) -> None:
    near, far = hosts
    with ExitStack() as stack:
        good, lost = at(stack, far, FAR), at(stack, far, FAR)
        far.run(
            "nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }"
        )
        far.run("nft", f"add rule inet t in tcp dport {lost} drop")
        stack.enter_context(near.entered())
        monitors = [
            monitor("lost", "TCP", f"{FAR}:{lost}", timeout="500ms"),
            monitor("good", "TCP", f"{FAR}:{good}"),
        ]
        running = stack.enter_context(daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT))
        down = running.wait_for("status_changed", monitor="lost")
        assert (down["to"], down["reason"], down["streak"]) == ("CRITICAL", "timeout", -3)
        probes(running, 10, monitor="good", result="OK")
        assert {name for name, *_ in blamed(running.lines)} == {"lost"}


def test_few_local_ports_are_enough(tmp_path: Path) -> None:
    """Every connection is reset, so that no port stays behind in TIME_WAIT."""
    with ExitStack() as stack:
        here = stack.enter_context(host())
        here.set(ip_local_port_range="40000 40063")
        port = at(stack, here, "127.0.0.1")
        stack.enter_context(here.entered())
        config = {"monitors": [monitor(f"web{i}", "TCP", port) for i in range(8)]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        probes(running, 4 * 64, result="OK")
        assert not blamed(running.lines)
        assert metric(running, "prober_local_errors_total", reason="no_ports") == 0


def test_a_closed_port_that_a_probe_is_given_itself_is_refused(tmp_path: Path) -> None:
    """Of 16 ports, a probe in 16 has the very one that it probes: TCP then connects to itself.

    The range is read again with the configuration.
    """
    with ExitStack() as stack:
        here = stack.enter_context(host())
        here.set(ip_local_port_range="50000 50999")
        stack.enter_context(here.entered())
        config = {"monitors": [monitor("dead", "TCP", 40008), monitor("page", "HTTP", 40009)]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        probes(running, 10, reason="refused")
        here.set(ip_local_port_range="40000 40015")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("config_reloaded")
        lines = probes(running, 200)
        assert {line["reason"] for line in lines} == {"refused"}


def test_without_an_address_of_its_family_a_target_is_not_to_be_reached(tmp_path: Path) -> None:
    """The kernel says of it what it says when no port is left."""
    with ExitStack() as stack:
        here = stack.enter_context(host())
        stack.enter_context(here.entered())
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        kinds = ("TCP", "UDP_CONNECT", "HTTP", "TLS")
        config = {"monitors": [monitor(kind, kind, "[2001:db8::1]:80") for kind in kinds]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        lines = probes(running, 3 * len(kinds))
        assert {line["reason"] for line in lines} == {"no_route"}


def test_without_a_local_port_it_knows_nothing_and_blames_nobody(tmp_path: Path) -> None:
    with ExitStack() as stack:
        here = stack.enter_context(host())
        port = at(stack, here, "127.0.0.1")
        stack.enter_context(here.entered())
        config = {"monitors": [monitor("web", "TCP", port)]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT))
        running.wait_for("status_changed", to="OK")
        here.set(ip_local_port_range="40000 40000")
        (taken,) = [stack.enter_context(socket.socket())]
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        taken.bind(("127.0.0.1", 40000))
        taken.connect(("127.0.0.1", port))
        probes(running, 3, reason="no_ports")
        taken.close()
        here.set(ip_local_port_range="41000 42000")
        probes(running, 3, result="OK")
        assert not blamed(running.lines)
        assert not bugs(running.lines)


def test_closed_udp_ports_of_a_host_that_limits_its_refusals_are_never_called_healthy(
    tmp_path: Path, hosts: tuple[Host, Host]
) -> None:
    near, _ = hosts
    with near.entered():
        silent = {"rise": 1, "fall": 1, "timeout": "300ms"}
        monitors = [
            monitor(f"udp{i}", "UDP_CONNECT", f"{FAR}:{40 + i}", **silent) for i in range(4)
        ]
        with daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT) as running:
            down = {running.wait_for("status_changed", to="CRITICAL")["monitor"] for _ in monitors}
            assert len(down) == 4
            assert {line["reason"] for line in running.lines if line["event"] == "probed"} == {
                "refused"
            }
