"""What `prober doctor` says of a host."""

import socket
from typing import Any

import pytest

from prober.cli import main as cli
from prober.cli.doctor import Grade, examine
from prober.cli.host import Host, look
from prober.model.probe import EchoOptions, Right

PING = Right("ping", "send echoes", "sysctl net.ipv4.ping_group_range", EchoOptions())
HOST = Host(
    python="3.11.2, OpenSSL 3.0.22",
    descriptors=524_288,
    local_ports=28_232,
    trust_store=True,
    synchronised=True,
    nameservers=("127.0.0.53",),
    rights={"ICMP": (PING, True)},
    ipv6=True,
    listener=None,
    extras={"bcrypt": True, "cryptography": False},
)


def test_a_host_that_lacks_nothing_is_ok() -> None:
    found = list(examine(HOST, "127.0.0.1:7762"))
    assert {each.grade for each in found} == {Grade.OK}
    assert not any(each.remedy for each in found)


@pytest.mark.parametrize(
    ("lack", "subject", "grade", "remedy"),
    [
        ({"descriptors": 1024}, "descriptors", Grade.WARNING, "LimitNOFILE"),
        ({"local_ports": 100}, "local ports", Grade.WARNING, "ip_local_port_range"),
        ({"trust_store": False}, "trust store", Grade.PROBLEM, "ca-certificates"),
        ({"synchronised": False}, "clock", Grade.WARNING, "chrony"),
        ({"nameservers": ()}, "resolver", Grade.WARNING, "addresses"),
        ({"rights": {"ICMP": (PING, False)}}, "ping", Grade.WARNING, "ping_group_range"),
        ({"ipv6": False}, "IPv6", Grade.WARNING, "targets"),
        ({"listener": "Address already in use"}, "listener", Grade.PROBLEM, "--listen"),
    ],
)
def test_what_is_lacking_comes_with_a_remedy(
    lack: dict[str, Any], subject: str, grade: Grade, remedy: str
) -> None:
    found = examine(HOST._replace(**lack), "127.0.0.1:7762")
    (lacking,) = [each for each in found if each.grade is not Grade.OK]
    assert (lacking.subject, lacking.grade) == (subject, grade)
    assert remedy in lacking.remedy


def test_a_kernel_that_does_not_tell_of_its_clock_is_no_trouble() -> None:
    found = examine(HOST._replace(synchronised=None), "127.0.0.1:7762")
    assert {each.grade for each in found} == {Grade.OK}


def test_a_taken_address_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert cli.main(["doctor", "--listen", f"127.0.0.1:{port}"], {}) == 1
    shown = capsys.readouterr().out
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in shown
    assert "-> stop what listens there" in shown


def test_doctor_looks_at_this_host() -> None:
    host = look(("127.0.0.1", 0))
    assert host.listener is None
    assert host.descriptors > 0
    assert host.local_ports > 0
