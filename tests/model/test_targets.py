"""Targets, backends and pools: what may be probed, and what it is called."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.kinds import Frozen
from prober.model.option import ReadContext, Rejected, section, show_options
from prober.model.pool import (
    BACKEND,
    PLACE_SCHEMA,
    Backend,
    Pool,
    derived_id,
    normal_host,
    parse_place,
    parse_target,
)
from prober.model.probe import Target

OUTSIDE = ReadContext("/", str, {})
LABEL_63 = "a" * 63
NAME_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])
EXPECTED = "expected host:port, with an IPv6 address in brackets"


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("10.0.0.3:8080", Target("10.0.0.3", 8080)),
        ("10.0.0.3:1", Target("10.0.0.3", 1)),
        ("10.0.0.3:65535", Target("10.0.0.3", 65535)),
        ("[2001:db8::7]:80", Target("2001:db8::7", 80)),
        ("[2001:0DB8:0:0:0:0:0:7]:80", Target("2001:db8::7", 80)),
        ("[::1]:80", Target("::1", 80)),
        ("localhost:80", Target("localhost", 80)),
        ("web-4.example.org.:80", Target("web-4.example.org.", 80)),
        ("_srv.example_x:80", Target("_srv.example_x", 80)),
        ("xn--caf-dma.example:80", Target("xn--caf-dma.example", 80)),
        ("3com.example:80", Target("3com.example", 80)),
        (f"{NAME_253}:80", Target(NAME_253, 80)),
        (f"{NAME_253}.:80", Target(f"{NAME_253}.", 80)),
    ],
)
def test_targets_that_are_read(written: str, target: Target) -> None:
    assert parse_target(written) == target
    assert parse_target(str(target)) == target


ZONED = "is an address with an interface, which is not supported"


def no_host(host: str) -> str:
    return f"{host!r} is neither an IP address nor a host name"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, f"{EXPECTED}, got nothing"),
        (80, f"{EXPECTED}, got 80"),
        ("", f"{EXPECTED}, got ''"),
        ("10.0.0.3", f"{EXPECTED}, got '10.0.0.3'; the port is missing"),
        ("10.0.0.3:", f"{EXPECTED}, got '10.0.0.3:'"),
        (":80", f"{EXPECTED}, got ':80'"),
        ("a:http", f"{EXPECTED}, got 'a:http'"),
        ("a:-1", f"{EXPECTED}, got 'a:-1'"),
        ("a:80 ", f"{EXPECTED}, got 'a:80 '"),
        ("a:80\n", rf"{EXPECTED}, got 'a:80\n'"),
        ("a:\u0668\u0660", f"{EXPECTED}, got 'a:\u0668\u0660'"),
        ("[::1]", f"{EXPECTED}, got '[::1]'"),
        ("[]:80", f"{EXPECTED}, got '[]:80'"),
        ("http://a:80", f"{EXPECTED}, got the URL 'http://a:80'"),
        ("2001:db8::7:80", f"{EXPECTED} ([2001:db8::7]:80), got '2001:db8::7:80'"),
        ("a:0", "expected a port from 1 to 65535, got 0"),
        ("a:65536", "expected a port from 1 to 65535, got 65536"),
        ("a:99999", "expected a port from 1 to 65535, got 99999"),
        ("a:100000", f"{EXPECTED}, got 'a:100000'"),
        ("256.1.1.1:80", no_host("256.1.1.1")),
        ("1.2.3:80", no_host("1.2.3")),
        ("010.0.0.3:80", no_host("010.0.0.3")),
        ("1.2.3.4.:80", no_host("1.2.3.4.")),
        ("12345:80", no_host("12345")),
        ("[10.0.0.3]:80", no_host("10.0.0.3")),
        ("[localhost]:80", no_host("localhost")),
        ("[fe80::1%eth0]:80", f"'[fe80::1%eth0]:80' {ZONED}"),
        ("fe80::1%eth0", f"'fe80::1%eth0' {ZONED}"),
        ("fe80::1%25eth0:80", f"'fe80::1%25eth0:80' {ZONED}"),
        ("[fe80::x%eth0]:80", no_host("fe80::x%eth0")),
        (
            "[fe80::1]:80",
            "'fe80::1' is link-local, which is not supported: it needs an interface",
        ),
        ("[::12345]:80", no_host("::12345")),
        ("a b:80", no_host("a b")),
        ("a/b:80", no_host("a/b")),
        ("user@a:80", no_host("user@a")),
        ("-a:80", no_host("-a")),
        ("a-:80", no_host("a-")),
        ("a..b:80", no_host("a..b")),
        (".a:80", no_host(".a")),
        ("a.-b:80", no_host("a.-b")),
        (".:80", no_host(".")),
        ("caf\u00e9:80", no_host("caf\u00e9")),
        (f"{LABEL_63}a:80", no_host(f"{LABEL_63}a")),
        (f"{NAME_253}a:80", no_host(f"{NAME_253}a")),
    ],
)
def test_targets_that_are_rejected(written: object, message: str) -> None:
    with pytest.raises(Rejected) as rejected:
        parse_target(written)
    assert str(rejected.value) == message


def is_place(text: str) -> bool:
    try:
        parse_place(text)
    except Rejected:
        return False
    return True


PATTERN = str(PLACE_SCHEMA["pattern"])


@given(
    st.from_regex(PATTERN).filter(lambda text: not text.endswith("\n"))
    | st.from_regex(r"\A\[?[0-9a-fA-F:.]{1,30}\]?:[0-9]{1,5}\Z")
    | st.from_regex(r"\A\[?[0-9a-fA-F:.]{1,30}\]?\Z")
    | st.sampled_from(["host", "[::1]", "10.0.0.3", "[fe80::1]", "1.2.3", f"{NAME_253}a"])
    | st.sampled_from([f"{NAME_253}:1", f"{NAME_253}a:1", "[fe80::1]:1", "[fe8::1]:1", "1.2.3:4"])
)
def test_the_schema_of_a_place_describes_what_is_taken(text: str) -> None:
    assert bool(re.search(PATTERN, text)) == is_place(text)


ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda a: not a.is_link_local)


@given(ADDRESSES, st.integers(1, 65535))
def test_every_address_is_read_back_from_how_it_is_written(address: object, port: int) -> None:
    target = Target(str(address), port)
    assert parse_target(str(target)) == target
    assert normal_host(str(address)) == str(address)


@given(st.text(max_size=20))
def test_a_host_name_can_be_asked_of_any_resolver(host: str) -> None:
    found = normal_host(host)
    if found is not None:
        found.encode("idna")  # what the socket module does; it fails on labels that are too long


# Backends and pools


def test_an_address_of_a_backend_has_no_interface() -> None:
    with pytest.raises(Rejected) as rejected:
        BACKEND.read({"address": "fe80::1%eth0", "port": 80}, OUTSIDE)
    assert str(rejected.value) == f"'fe80::1%eth0' {ZONED}"


@pytest.mark.parametrize(
    ("written", "backend"),
    [
        ("10.0.0.3:80", Backend(address="10.0.0.3", port=80)),
        ({"address": "10.0.0.3", "port": 80}, Backend(address="10.0.0.3", port=80)),
        (
            {"address": "2001:DB8::7", "port": 80, "name": "w", "labels": {"rack": "r1"}},
            Backend(address="2001:db8::7", port=80, name="w", labels=Frozen(rack="r1")),
        ),
    ],
)
def test_a_backend_is_text_or_a_mapping(written: object, backend: Backend) -> None:
    found = BACKEND.read(written, OUTSIDE)
    assert found == backend
    assert BACKEND.read(BACKEND.show(found), OUTSIDE) == backend


def test_a_backend_is_called_by_address_and_port() -> None:
    assert Backend(address="10.0.0.3", port=80, name="w").key == "10.0.0.3:80"
    assert Backend(address="::1", port=80).key == "[::1]:80"


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("10.0.0.3", "10.0.0.3"),
        ("[2001:DB8::7]", "[2001:db8::7]"),
        ("web-1.example", "web-1.example"),
        ({"address": "2001:db8::7"}, "[2001:db8::7]"),
    ],
)
def test_a_backend_may_have_no_port(written: object, key: str) -> None:
    backend = BACKEND.read(written, OUTSIDE)
    assert (backend.key, backend.port) == (key, None)
    assert BACKEND.read(BACKEND.show(backend), OUTSIDE) == backend
    assert str(parse_place(key)) == key
    assert backend.target(8080).port == 8080


@pytest.mark.parametrize("written", ["::1", "[10.0.0.3]", "[fe80::1]", "", "a b", "1.2.3"])
def test_a_host_alone_is_one_that_can_be_reached(written: str) -> None:
    with pytest.raises(Rejected):
        parse_place(written)


def test_a_pool_needs_only_a_name() -> None:
    pool = section(Pool).read({"name": "web"}, OUTSIDE)
    assert pool == Pool(name="web")
    assert (pool.load_balancer, pool.project_id, pool.backends) == ("default", "default", ())


def test_an_id_follows_from_the_name() -> None:
    # a fixed value: the clouds' clients keep these ids
    assert Pool(name="web").id == derived_id("pool", "web")
    assert derived_id("pool", "web") == "b495b736-0a82-581a-8720-d743a93ded5a"
    assert derived_id("monitor", "web") != derived_id("pool", "web")
    assert UUID(derived_id("pool", "web")).version == 5


def test_an_id_that_is_given_is_kept() -> None:
    given = {"name": "web", "id": "0A1B2C3D-0000-4000-8000-0123456789AB"}
    pool = section(Pool).read(given, OUTSIDE)
    assert pool.id == "0a1b2c3d-0000-4000-8000-0123456789ab"


def test_a_duplicate_backend_is_rejected_at_its_second_place() -> None:
    backends = ["a:80", "[::1]:80", "a:81", "a:80", {"address": "0::1", "port": 80}, "a:80"]
    with pytest.raises(Rejected) as rejected:
        section(Pool).read({"name": "web", "backends": backends}, OUTSIDE)
    assert rejected.value.complaints == (
        (("backends", 3), "duplicate backend a:80; first listed as backends[0]"),
        (("backends", 4), "duplicate backend [::1]:80; first listed as backends[1]"),
        (("backends", 5), "duplicate backend a:80; first listed as backends[0]"),
    )


def test_a_pool_is_shown_as_it_can_be_read() -> None:
    pool = Pool(name="web", backends=(Backend(address="::1", port=80),))
    assert section(Pool).read(show_options(pool), OUTSIDE) == pool
