"""What etcd's JSON gateway answers, as bytes, and what is read from it; no etcd is needed."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.cluster.etcd_messages import (
    NoAuthenticationError,
    StaleTokenError,
    WatchStream,
    answered,
    change_request,
    lease_of,
    seconds_left,
    snapshot_of,
    under,
    watch_request,
)
from prober.cluster.key_store import (
    Item,
    KeyChanges,
    LeaseLost,
    Snapshot,
    StoreTrouble,
    StoreUnavailable,
    WatchLost,
)

HEADER = {"cluster_id": "1", "member_id": "2", "revision": "11", "raft_term": "2"}


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def line(**result: object) -> bytes:
    return json.dumps({"result": {"header": HEADER, **result}}).encode() + b"\n"


def put(key: str, value: str, revision: int) -> dict[str, object]:
    return {"kv": {"key": b64(key), "value": b64(value), "mod_revision": str(revision)}}


def gone(key: str, revision: int) -> dict[str, object]:
    return {"type": "DELETE", "kv": {"key": b64(key), "mod_revision": str(revision)}}


def test_numbers_are_read_from_strings_and_what_is_left_out_is_zero() -> None:
    kvs = [
        {
            "key": b64("/a/1"),
            "value": b64("x"),
            "mod_revision": "7",
            "lease": "9223372036854775807",
        },
        {"key": b64("/a/2"), "mod_revision": "8"},
    ]
    items = {"/a/1": Item(b"x", 7, 2**63 - 1), "/a/2": Item(b"", 8, 0)}
    assert snapshot_of({"header": HEADER, "kvs": kvs}) == Snapshot(11, items)
    assert snapshot_of({"header": HEADER}) == Snapshot(11, {})


def test_a_renewed_lease_without_a_ttl_is_a_lost_one() -> None:
    alive = answered(200, line(ID="1234", TTL="3"))
    assert seconds_left(alive, 1234) == 3.0
    dead = answered(200, line(ID="1234"))
    with pytest.raises(LeaseLost, match="lease 4d2 has expired"):
        seconds_left(dead, 1234)


def test_a_granted_lease_has_an_id() -> None:
    assert lease_of({"ID": "6983291028738025227", "TTL": "3"}) == 6983291028738025227
    with pytest.raises(StoreUnavailable) as raised:
        lease_of({"TTL": "3"})
    assert raised.value.reason is StoreTrouble.BAD_ANSWER


@pytest.mark.parametrize(
    ("status", "code", "words", "reason"),
    [
        (403, 7, "permission denied", StoreTrouble.UNAUTHORIZED),
        (
            *(400, 3, "authentication failed, invalid user ID or password"),
            StoreTrouble.UNAUTHORIZED,
        ),
        (429, 8, "mvcc: database space exceeded", StoreTrouble.NO_SPACE),
        (429, 8, "too many requests", StoreTrouble.BAD_ANSWER),
        (400, 3, "request is too large", StoreTrouble.BAD_ANSWER),
        (503, 14, "no leader", StoreTrouble.NO_QUORUM),
        (503, 14, "leader changed", StoreTrouble.NO_QUORUM),
        (503, 14, "request timed out", StoreTrouble.TIMEOUT),
        (500, 2, "request timed out, possibly due to connection lost", StoreTrouble.TIMEOUT),
        (501, 12, "Method Not Allowed", StoreTrouble.BAD_ANSWER),
    ],
)
def test_an_error_has_a_reason_whether_it_is_text_or_an_object(
    status: int, code: int, words: str, reason: StoreTrouble
) -> None:
    said = f"etcdserver: {words}"
    text = {"error": said, "message": said, "code": code}
    inner = {"grpc_code": code, "http_code": status, "message": said, "http_status": "-"}
    for answer, http in ((text, status), ({"error": inner}, 200)):
        with pytest.raises(StoreUnavailable) as raised:
            answered(http, json.dumps(answer).encode())
        assert (raised.value.reason, raised.value.detail) == (reason, words)


def test_an_error_that_is_no_trouble_of_etcd_has_a_class_of_its_own() -> None:
    def error(code: int, words: str) -> bytes:
        return json.dumps({"error": words, "code": code}).encode()

    with pytest.raises(LeaseLost):
        answered(404, error(5, "etcdserver: requested lease not found"))
    with pytest.raises(StaleTokenError):
        answered(401, error(16, "etcdserver: invalid auth token"))
    with pytest.raises(NoAuthenticationError):
        answered(412, error(9, "etcdserver: authentication is not enabled"))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff", b"404 page not found\n"])
def test_what_is_not_etcd_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        answered(200, body)
    assert raised.value.reason is StoreTrouble.BAD_ANSWER


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists) | st.binary())
def test_no_answer_of_any_shape_raises_anything_else(value: object) -> None:
    kv = {"key": value if isinstance(value, str) else None, "mod_revision": repr(value)}
    for message in ({"header": HEADER, "kvs": [kv]}, {"header": HEADER, "kvs": [repr(value)]}):
        with pytest.raises(StoreUnavailable):
            snapshot_of(message)


def test_a_prefix_is_the_range_up_to_the_next_prefix() -> None:
    assert under("/prober/a/") == {"key": b64("/prober/a/"), "range_end": b64("/prober/a0")}


def test_a_change_compares_revisions_then_puts_and_deletes() -> None:
    assert change_request({"/a": 7}, {"/b": b"x"}, ["/c"], 5) == {
        "compare": [
            {"key": b64("/a"), "target": "MOD", "result": "EQUAL", "mod_revision": "7"},
        ],
        "success": [
            {"request_put": {"key": b64("/b"), "value": b64("x"), "lease": "5"}},
            {"request_delete_range": {"key": b64("/c")}},
        ],
    }


def test_a_watch_begins_after_the_revision_that_is_known() -> None:
    request = watch_request("/a/", 11)["create_request"]
    assert isinstance(request, dict)
    assert request["start_revision"] == "12"


@pytest.mark.parametrize("size", [1, 7, 30])
def test_changes_come_out_of_a_watch_however_the_bytes_are_cut(size: int) -> None:
    whole = (
        line(created=True)
        + line(events=[put("/a/1", "x", 9), put("/a/2", "y", 10), gone("/a/1", 11)])
        + line()
    )
    stream = WatchStream()
    parts = (whole[i : i + size] for i in range(0, len(whole), size))
    assert [changes for part in parts for changes in stream.feed(part)] == [
        KeyChanges(11, {"/a/2": Item(b"y", 10, 0)}, ["/a/1"]),
        KeyChanges(11, {}, []),
    ]
    assert stream.created


def test_changes_that_are_read_at_once_come_as_one_up_to_the_last_whole_revision() -> None:
    stream = WatchStream()
    first = line(events=[put("/a", "x", 9)]) + line(events=[put("/a", "y", 10), put("/b", "z", 10)])
    assert list(stream.feed(first)) == [
        KeyChanges(10, {"/a": Item(b"y", 10, 0), "/b": Item(b"z", 10, 0)}, [])
    ]
    cut_off = line(events=[gone("/a", 11)]) + line(fragment=True, events=[put("/b", "x", 12)])
    assert list(stream.feed(cut_off)) == []
    [changes] = stream.feed(line(events=[put("/c", "y", 12)]))
    assert (changes.revision, changes.deletes) == (12, ["/a"])
    assert changes.puts.keys() == {"/b", "/c"}


def test_a_key_that_is_deleted_and_written_again_at_once_is_there() -> None:
    [changes] = WatchStream().feed(line(events=[gone("/a", 9), put("/a", "x", 10)]))
    assert changes == KeyChanges(10, {"/a": Item(b"x", 10, 0)}, [])


def test_the_parts_of_a_large_change_come_as_one() -> None:
    stream = WatchStream()
    assert list(stream.feed(line(fragment=True, events=[put("/a", "x", 9)]))) == []
    [changes] = stream.feed(line(events=[put("/b", "y", 9)]))
    assert changes.puts.keys() == {"/a", "/b"}


def test_a_change_says_the_revision_of_what_it_has_not_of_the_store() -> None:
    [changes] = WatchStream().feed(line(events=[put("/a", "x", 9)]))
    assert changes.revision == 9


@pytest.mark.parametrize(
    ("said", "error", "reason"),
    [
        ({"compact_revision": "8"}, WatchLost, StoreTrouble.WATCH_LOST),
        ({"cancel_reason": "watch is broken"}, WatchLost, StoreTrouble.WATCH_LOST),
        ({}, WatchLost, StoreTrouble.WATCH_LOST),
        (
            {"created": True, "cancel_reason": "rpc error: desc = etcdserver: permission denied"},
            *(StoreUnavailable, StoreTrouble.UNAUTHORIZED),
        ),
        (
            {"created": True, "cancel_reason": "rpc error: desc = etcdserver: invalid auth token"},
            *(StaleTokenError, StoreTrouble.UNAUTHORIZED),
        ),
        ({"cancel_reason": "etcdserver: no leader"}, StoreUnavailable, StoreTrouble.NO_QUORUM),
    ],
)
def test_a_cancelled_watch_says_why(
    said: dict[str, object], error: type[StoreUnavailable], reason: StoreTrouble
) -> None:
    with pytest.raises(error) as raised:
        list(WatchStream().feed(line(canceled=True, **said)))
    assert raised.value.reason is reason
