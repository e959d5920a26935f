"""Secrets wherever they are in what was configured: found, masked, put back."""

from dataclasses import dataclass

import pytest

from prober.model.file_kinds import PEM_FILE, SECRET, Secret
from prober.model.kinds import Frozen, list_of, mapping_of, text
from prober.model.option import HIDDEN, ReadContext, option, section, show_options
from prober.model.secret import files_of, is_hidden, names_a_secret, secrets_of, with_secrets

OUTSIDE = ReadContext("/etc/prober", lambda _: "-----BEGIN ", {"KEY": "s3cret"})
BY_NAME = mapping_of(SECRET, lambda _: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A section in a section."""

    code: str = option(text(), default="", secret=True, doc="what opens it")
    certificate: str | None = option(PEM_FILE, default=None, doc="what is read")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A section whose options hold secrets in every way."""

    name: str = option(text(), default="", doc="no secret")
    body: Secret | None = option(SECRET, default=None, doc="one if it comes from elsewhere")
    headers: Frozen[Secret] = option(
        BY_NAME, default=Frozen(), secret=names_a_secret, doc="some by their names"
    )
    doors: tuple[Door, ...] = option(list_of(section(Door)), default=(), doc="more of them")
    files: tuple[str, ...] = option(list_of(PEM_FILE), default=(), doc="what is read as well")


READ = section(House).read
GIVEN = {
    "name": "home",
    "body": {"env": "KEY"},
    "headers": {"X-Token": "abc", "X-Shop": "def", "X-Key": {"env": "KEY"}},
    "doors": [{"code": "1234"}, {"certificate": "a.pem"}],
    "files": ["b.pem"],
}


def test_secrets_are_masked_where_they_are_shown() -> None:
    assert show_options(READ(GIVEN, OUTSIDE)) == {
        "name": "home",
        "body": HIDDEN,
        "headers": {"X-Token": HIDDEN, "X-Shop": "def", "X-Key": HIDDEN},
        "doors": [{"code": HIDDEN}, {"certificate": "/etc/prober/a.pem"}],
        "files": ["/etc/prober/b.pem"],
    }


def test_all_that_may_be_secret_is_found() -> None:
    found = {
        path: option.hides(str(path[-1])) for path, option, _ in secrets_of(READ(GIVEN, OUTSIDE))
    }
    assert found == {
        ("body",): False,
        ("headers", "X-Token"): True,
        ("headers", "X-Shop"): False,
        ("headers", "X-Key"): False,
        ("doors", 0, "code"): True,
        ("doors", 1, "code"): True,
    }


def test_files_that_were_read_are_found() -> None:
    assert files_of(READ(GIVEN, OUTSIDE)) == {"/etc/prober/a.pem", "/etc/prober/b.pem"}
    assert files_of(House()) == frozenset()


def test_what_was_masked_is_put_back() -> None:
    before = READ(GIVEN, OUTSIDE)
    shown = READ(show_options(before), OUTSIDE)
    assert [path for path, _, leaf in secrets_of(shown) if is_hidden(leaf)] == [
        ("body",),
        ("headers", "X-Token"),
        ("headers", "X-Key"),
        ("doors", 0, "code"),
    ]
    known = {path: leaf for path, _, leaf in secrets_of(before)}
    assert with_secrets(shown, known) == before


def test_a_mask_without_a_secret_behind_it_stays() -> None:
    masked = House(body=Secret(HIDDEN, masked=False))
    assert with_secrets(masked, {}) == masked


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-API-Key", "apikey", "X-Auth-Token"])
def test_the_name_of_a_header_tells_that_it_is_a_secret(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["X-Shop", "Accept", "X-Key", ""])
def test_other_headers_are_none(name: str) -> None:
    assert not names_a_secret(name)
