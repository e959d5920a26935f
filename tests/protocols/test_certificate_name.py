"""Which hosts the names of a certificate are for."""

import pytest

from prober.protocols.certificate_name import is_for


@pytest.mark.parametrize(
    ("name", "patterns", "found"),
    [
        ("www.example.com", ["www.example.com"], True),
        ("WWW.example.com.", ["www.EXAMPLE.com"], True),
        ("www.example.com", ["other.example.com", "*.example.com"], True),
        ("a.www.example.com", ["*.example.com"], False),
        ("example.com", ["*.example.com", "*.com"], False),
        ("www.example.com", ["w*.example.com", "*.*.com", "*"], False),
        ("www.example.com", [], False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(name: str, patterns: list[str], found: bool) -> None:
    assert is_for(name, patterns) is found
