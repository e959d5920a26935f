"""What a page of another site must not do with a visitor's browser."""

import pytest

from prober.web.server.origin import why_foreign

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
    for identified in (False, True):
        assert why_foreign(method, HOST, headers, identified=identified)


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
    assert why_foreign("POST", HOST, headers, identified=False) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_not_refused(method: str) -> None:
    assert why_foreign(method, HOST, {"Origin": "http://evil.example"}, identified=False) is None


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
    assert why_foreign("POST", host, {"Origin": origin}, identified=True) is None


def test_a_name_that_was_pointed_at_us_is_no_way_in_without_credentials() -> None:
    rebound = {"Origin": "http://evil.example:7762", "Sec-Fetch-Site": "same-origin"}
    assert why_foreign("POST", "evil.example:7762", rebound, identified=False)
    assert why_foreign("POST", "evil.example:7762", rebound, identified=True) is None
    local = {"Origin": "http://localhost:7762"}
    assert why_foreign("POST", "localhost:7762", local, identified=False) is None
