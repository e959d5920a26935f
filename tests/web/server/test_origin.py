"""What a page of another site must not do with a visitor's browser."""

import pytest

from prober.web.server.origin import why_foreign, why_misnamed

HOST = "127.0.0.1:7762"
HERE = f"http://{HOST}"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_of_another_site_changes_nothing(method: str, headers: dict[str, str]) -> None:
    assert why_foreign(method, HOST, headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": HERE},
        {"Origin": HERE, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_our_own_page_may_change_something(headers: dict[str, str]) -> None:
    assert why_foreign("POST", HOST, headers) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_not_refused(method: str) -> None:
    assert why_foreign(method, HOST, {"Origin": "http://evil.example"}) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://prober.example", "prober.example"),
        ("https://prober.example", "prober.example:443"),
        ("https://PROBER.example:8443", "prober.example:8443"),
        ("http://[::1]:7762", "[::1]:7762"),
    ],
)
def test_the_port_that_a_scheme_implies_may_be_left_out(origin: str, host: str) -> None:
    assert why_foreign("POST", host, {"Origin": origin}) is None


BROWSER = {"Accept-Language": "en"}
BROWSERS = [
    BROWSER,
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    {"Origin": "http://evil.example"},
    {"Referer": "http://evil.example/"},
]
OURS = ["127.0.0.1", "127.0.0.1:7762", "10.0.0.5:80", "[::1]:7762", "localhost", "LOCALHOST:1", ""]
NOT_OURS = [
    *("evil.example", "evil.example:7762", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("2130706433", "0x7f.1", "127.1", "127.0.0.1@evil.example", "[", "x" * 9000, "[::1%25x"),
]


@pytest.mark.parametrize("headers", BROWSERS)
@pytest.mark.parametrize("host", NOT_OURS)
def test_without_credentials_a_browser_comes_by_address(host: str, headers: dict[str, str]) -> None:
    """Else a page could point its own name here, and read all that there is."""
    why = why_misnamed(host, headers, identified=False, allowed=())
    assert why
    assert "server.allowed_hosts" in why
    assert why_misnamed(host, headers, identified=True, allowed=()) is None
    assert why_misnamed(host, {}, identified=False, allowed=()) is None  # a program


@pytest.mark.parametrize("headers", [{}, *BROWSERS])
@pytest.mark.parametrize("host", OURS)
def test_nobody_can_point_an_address_elsewhere(host: str, headers: dict[str, str]) -> None:
    for allowed in ((), ("prober.example",)):
        assert why_misnamed(host, headers, identified=False, allowed=allowed) is None


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("prober.example", True),
        ("Prober.Example:7762", True),
        ("prober.example.", True),
        ("a.prober.example", False),
        ("a.wild.example", True),
        ("a.b.wild.example", True),
        ("wild.example", False),
        ("evilwild.example", False),
        ("evil.example", False),
    ],
)
@pytest.mark.parametrize("headers", [{}, BROWSER])
@pytest.mark.parametrize("identified", [False, True])
def test_where_names_are_listed_no_other_is_accepted(
    host: str, right: bool, headers: dict[str, str], identified: bool
) -> None:
    allowed = ("prober.example", "*.wild.example")
    why = why_misnamed(host, headers, identified=identified, allowed=allowed)
    assert (why is None) is right


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "none", **BROWSER}, False),
        ({"Sec-Fetch-Site": "same-origin", **BROWSER}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, True),
        ({"Origin": "http://evil.example"}, True),
        (BROWSER, True),  # over plain HTTP a browser does not say whose image this is
        ({"Referer": "http://evil.example/"}, True),
    ],
)
def test_what_connects_is_more_than_a_look(
    method: str, headers: dict[str, str], refused: bool
) -> None:
    assert bool(why_foreign(method, HOST, headers, connects=True)) is refused
    assert why_foreign(method, HOST, headers) is None
