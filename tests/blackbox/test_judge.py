"""What the HTTP module says of a reply, without a connection."""

import zlib
from dataclasses import replace
from typing import Any

import pytest

from prober.blackbox.exchange import Reply
from prober.blackbox.judge import judge, unpacked
from prober.config.blackbox.modules import HttpModule
from prober.model.option import ReadContext, section

GOOD = Reply(200, "1.1", [("X-Color", "blue")], 5, b"hello", is_whole=True)


def module(**options: object) -> HttpModule:
    found: HttpModule = section(HttpModule).read(options, ReadContext("/", str, {}))
    return found


def header(regexp: str, **more: object) -> list[dict[str, object]]:
    return [{"header": "X-Color", "regexp": regexp, **more}]


@pytest.mark.parametrize(
    ("options", "changes", "why"),
    [
        ({}, {}, ""),
        ({}, {"status": 302}, "Invalid HTTP response status code, wanted 2xx"),
        ({"valid_status_codes": [302]}, {"status": 302}, ""),
        ({"valid_status_codes": [302]}, {}, "Invalid HTTP response status code"),
        ({}, {"is_whole": False}, "Failed to read HTTP response body"),
        ({}, {"was_cut": True}, "Failed to read HTTP response body"),
        ({"valid_http_versions": ["HTTP/1.1"]}, {}, ""),
        (
            {"valid_http_versions": ["HTTP/1.1"]},
            {"version": "1.0"},
            "Invalid HTTP version number",
        ),
        ({"fail_if_header_matches": header("bl.e")}, {}, "Header X-Color matched"),
        ({"fail_if_header_matches": header("red")}, {}, ""),
        ({"fail_if_header_not_matches": header("red")}, {}, "Header X-Color did not match"),
        ({"fail_if_header_not_matches": header("bl.e")}, {}, ""),
        (
            {"fail_if_header_not_matches": header("bl.e")},
            {"headers": []},
            "Missing required header X-Color",
        ),
        (
            {"fail_if_header_not_matches": header("bl.e", allow_missing=True)},
            {"headers": []},
            "",
        ),
        ({"fail_if_body_matches_regexp": ["^hello"]}, {}, "Body matched"),
        ({"fail_if_body_not_matches_regexp": ["^hello"]}, {}, ""),
        ({"fail_if_body_not_matches_regexp": ["^bye"]}, {}, "Body did not match"),
        ({"compression": "gzip"}, {}, "Failed to get decompressor for HTTP response body"),
    ],
)
def test_a_reply_is_bad_for_one_reason(
    options: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    judgement, size = judge(module(**options), replace(GOOD, **changes), final=True)
    assert judgement.good is not bool(why)
    assert judgement.why.startswith(why)
    assert size == (0 if "compression" in options else len(changes.get("body", GOOD.body)))


def test_the_body_of_a_redirect_cannot_be_judged() -> None:
    moved = replace(GOOD, status=302, is_whole=False)
    judgement, size = judge(module(valid_status_codes=[302]), moved, final=False)
    assert (judgement.good, size) == (True, 0)
    asked = module(valid_status_codes=[302], fail_if_body_matches_regexp=["x"])
    judgement, _ = judge(asked, moved, final=False)
    assert (judgement.why, judgement.by_pattern) == ("Error reading HTTP body", True)


def test_a_compressed_body_is_taken_as_far_as_it_goes() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"hello" * 1000) + packer.flush()
    assert unpacked("gzip", packed) == (b"hello" * 1000, "")
    _, trouble = unpacked("gzip", packed[:-1])
    assert trouble == "Failed to read HTTP response body"
    assert unpacked("", packed) == (packed, "")
