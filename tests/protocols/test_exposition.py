"""Prometheus' text format: what is written is read back by Prometheus' own client."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from prober.protocols.exposition import escape_label, write_head, write_labels

TEXTS = st.text(st.characters(codec="utf-8"))


def test_what_would_end_a_value_is_escaped() -> None:
    assert escape_label('a\\b"c\nd') == r"a\\b\"c\nd"
    assert write_labels([("b", "1"), ("a", 'x"')]) == r'b="1",a="x\""'
    assert write_labels([]) == ""


def test_help_is_one_line() -> None:
    assert write_head("up", "gauge", 'C:\\\n"x"') == '# HELP up C:\\\\\\n"x"\n# TYPE up gauge\n'


@given(TEXTS, TEXTS)
def test_labels_are_read_back(first: str, second: str) -> None:
    labels = write_labels([("a", first), ("b", second)])
    text = f"{write_head('up', 'gauge', 'what')}up{{{labels}}} 1\n"
    (family,) = text_string_to_metric_families(text)
    (sample,) = family.samples
    assert sample.labels == {"a": first, "b": second}
