"""Protocol buffers as text, as cloudprober's configurations are written."""

from pathlib import Path

import pytest
import yaml

from prober.importing.formats import import_from
from prober.importing.textproto import TextProto
from prober.importing.writer import written

PEERS = Path(__file__).parent / "peers"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("a: 1 b: -2.5e1, c: 0x1f; d: 017 e: 1.5f", {"a": 1, "b": -25, "c": 31, "d": 15, "e": 1.5}),
        (
            "a: true b: False c: t d: HTTP e: -inf",
            {"a": True, "b": False, "c": True, "d": "HTTP", "e": "-inf"},
        ),
        (r"""a: "x\n\x41\101\"'" 'y' # z""", {"a": "x\nAA\"'y"}),
        (r'a: "\303\251\377"', {"a": "é\ufffd"}),
        ("a { b { c: 1 } } a: <b: 2>", {"a": [{"b": {"c": 1}}, {"b": 2}]}),
        ("a: [1, 2] a: 3 b: [] c: [{d: 1}, {}]", {"a": [1, 2, 3], "b": [], "c": [{"d": 1}, {}]}),
        ("[x.y/z.a] { b: 1 }", {"[x.y/z.a]": {"b": 1}}),
    ],
)
def test_textproto_has_these_values(text: str, value: object) -> None:
    assert TextProto(text, "a").value == value


def test_each_value_has_its_line() -> None:
    source = TextProto("a {\n  b: 1\n}\nc {\n  d { e: 1 }\n  d {\n    e: 2\n  }\n}\n", "f")
    places = [("a", "b"), ("c",), ("c", "d", 0, "e"), ("c", "d", 1, "e"), ("c", "x", "y"), ()]
    assert [source.origin(*steps).line for steps in places] == [2, 4, 5, 7, 4, 1]


def test_both_forms_of_a_configuration_mean_the_same() -> None:
    found = []
    for name in ("cloudprober.cfg", "cloudprober.yaml"):
        draft = import_from("cloudprober", [(name, (PEERS / name).read_text())])
        found.append(yaml.safe_load(written(draft, version="1", sources=[])))
        assert {note.origin.file for note in draft.notes} == {name}
    assert found[0] == found[1]


def test_shared_targets_may_stand_in_another_file() -> None:
    shared = 'shared_targets { name: "s" targets { host_names: "127.0.0.1" } }'
    probe = 'probe { name: "p" type: TCP targets { shared_targets: "s" } tcp_probe { port: 1 } }'
    draft = import_from("cloudprober", [("a.cfg", probe), ("b.cfg", shared)])
    assert draft.monitors[0].keys["targets"] == ["127.0.0.1:1"]
    (note,) = import_from("cloudprober", [("a.cfg", probe)]).notes
    assert note.text == "probe p: no shared_targets 's' are given"
