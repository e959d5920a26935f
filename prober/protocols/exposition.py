"""Prometheus' text format: heads of families, and labels.

Source: prometheus/docs, instrumenting/exposition_formats.
"""

from collections.abc import Iterable


def escape_label(value: str) -> str:
    """Return a label value, escaped."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def write_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Return labels in the given order, without the braces around them."""
    return ",".join([f'{name}="{escape_label(value)}"' for name, value in labels])


def write_head(name: str, kind: str, text: str) -> str:
    """Return the first two lines of a family: its help and its type."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
