"""How much of anything a key takes."""

import pytest

from prober.model.endpoint import Endpoint
from prober.model.kinds import LABELS
from prober.model.option import Kind, ReadContext, Rejected, options_of
from prober.probes.http_request import HEADERS

NOTHING = ReadContext("", str, {})


@pytest.mark.parametrize(
    ("kind", "most"), [(LABELS, 64), (HEADERS, 100)], ids=["labels", "headers"]
)
def test_a_mapping_has_a_limit(kind: Kind[object], most: int) -> None:
    assert kind.schema["maxProperties"] == most
    kind.read({f"a{number}": "v" for number in range(most)}, NOTHING)
    for count in (most + 1, 10_000):
        with pytest.raises(Rejected, match=rf"expected at most {most} keys, got {count}"):
            kind.read({f"a{number}": "v" for number in range(count)}, NOTHING)


@pytest.mark.parametrize(("cost", "accepted"), [(4, True), (16, True), (17, False), (31, False)])
def test_a_password_must_not_take_minutes_to_compare(cost: int, accepted: bool) -> None:
    users = {"anna": f"$2y${cost:02}$" + "a" * 53}
    kind = options_of(Endpoint)["basic_auth_users"].kind
    if accepted:
        kind.read(users, NOTHING)
    else:
        with pytest.raises(Rejected, match="a cost of at most 16"):
            kind.read(users, NOTHING)
