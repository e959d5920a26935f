"""Names expanded into backends; real lookups are in tests/faults."""

import json
import socket

import dns.resolver
import dns.rrset
import pytest

from prober.config.targets import write_targets
from prober.discovery import expansion
from prober.discovery.expansion import expand, targets_of
from prober.discovery.fetch import ListUnusable, read_list
from prober.discovery.known import parse
from prober.model.monitor import TargetList, is_service
from prober.model.option import ReadContext, Rejected, section, show_options

OUTSIDE = ReadContext("/", str, {})


def read(*names: object, **more: object) -> TargetList:
    return section(TargetList).read({"expand": list(names), **more}, OUTSIDE)


async def test_each_address_is_a_backend_with_its_name_as_a_label() -> None:
    says = {"a.example:80": ["10.0.0.2:80", "10.0.0.1:80", "[2001:db8::1]:80"]}
    listed = await expand(("a.example:80",), says.__getitem__)
    assert [each.key for each in listed.backends] == [
        *("10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80"),
    ]
    assert {each.labels["expanded_from"] for each in listed.backends} == {"a.example:80"}


async def test_the_order_of_the_answer_does_not_matter_and_the_first_name_counts() -> None:
    names = ("a.example:80", "b.example:80")
    one = await expand(names, lambda _: ["10.0.0.1:80", "10.0.0.2:80"])
    other = await expand(names, lambda _: ["10.0.0.2:80", "10.0.0.1:80"])
    assert one == other
    assert len(one.backends) == 2
    assert {each.labels["expanded_from"] for each in one.backends} == {"a.example:80"}
    assert one.print != (await expand(names, lambda _: ["10.0.0.1:80"])).print


async def test_what_is_saved_of_it_is_the_same_afterwards() -> None:
    listed = await expand(("a.example:80",), lambda _: ["10.0.0.1:80", "10.0.0.2:80"])
    text = json.dumps(write_targets(listed.backends))
    assert parse(text, "saved").backends == listed.backends


async def test_a_name_that_cannot_be_looked_up_is_a_trouble_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(expansion, "targets_of", away)
    with pytest.raises(ListUnusable, match=r"cannot look up nowhere\.invalid:80: "):
        await read_list(read("nowhere.invalid:80"))


def test_the_system_is_asked_for_addresses() -> None:
    assert "127.0.0.1:80" in targets_of("localhost:80")


@pytest.mark.parametrize(
    ("name", "of_service"),
    [
        ("_ldap._tcp.example.org", True),
        ("_xmpp-client._TCP.example.org.", True),
        ("_dns._udp.a", True),
        ("ldap.example.org:389", False),
        ("_ldap.example.org", False),
        ("_ldap._sctp.example.org", False),
        (f"_a._tcp.{'b.' * 200}", False),
    ],
)
def test_a_service_is_told_from_a_host(name: str, *, of_service: bool) -> None:
    assert is_service(name) is of_service


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["10.0.0.1:80"], "10.0.0.1 is an address, which has nothing to expand: use targets"),
        (["[::1]:80"], "::1 is an address, which has nothing to expand: use targets"),
        (["db.example"], "the port is missing; or the name of a service such as _ldap._tcp"),
        ([7], "expected host:port"),
        ([], "expected at least 1 in the list, got 0"),
    ],
)
def test_a_mistake_is_named(names: list[object], words: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(*names)
    assert words in str(caught.value)


def test_settings_that_make_no_sense_together_are_rejected() -> None:
    with pytest.raises(Rejected, match="expected exactly one of file, url, expand"):
        read("a.example:1", url="http://127.0.0.1/")
    with pytest.raises(Rejected, match="has no effect without url"):
        read("a.example:1", token="<secret>")
    with pytest.raises(Rejected, match="has no effect without url or expand"):
        section(TargetList).read({"file": "/a", "interval": 5}, OUTSIDE)


def test_names_are_shown_as_they_were_written() -> None:
    names = ("a.example:80", "_ldap._tcp.example.org")
    source = read(*names, interval="5s")
    assert str(source) == "a.example:80, _ldap._tcp.example.org"
    assert source.asked_every == 5.0
    assert read(*names).asked_every == 10.0
    assert section(TargetList).read(show_options(source), OUTSIDE) == source


def test_a_service_is_looked_up_as_srv_records(monkeypatch: pytest.MonkeyPatch) -> None:
    class Records:
        def resolve(self, name: str, kind: str, **_: object) -> dns.rrset.RRset:
            if name != "_web._tcp.a.example.":
                raise dns.resolver.NXDOMAIN
            rows = ("1 1 8080 one.example.", "1 1 8081 two.example.", "0 0 0 .")
            return dns.rrset.from_text(name, 60, "IN", kind, *rows)

    monkeypatch.setattr(dns.resolver, "Resolver", Records)
    found = targets_of("_web._tcp.a.example")
    assert sorted(found) == ["one.example:8080", "two.example:8081"]
    with pytest.raises(OSError, match=r"does not exist"):
        targets_of("_web._tcp.b.example")
