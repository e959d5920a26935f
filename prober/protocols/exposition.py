"""Prometheus' text format: heads of families, and labels.

Source: prometheus/docs, instrumenting/exposition_formats.
"""

from collections.abc import Iterable


def escape_label(value: str) -> str:
    """Escape the value of a label."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def write_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Write labels, in the order in which they come, without the braces around them."""
    return ",".join([f'{name}="{escape_label(value)}"' for name, value in labels])


def write_head(name: str, kind: str, text: str) -> str:
    """Write the two lines that a family begins with: its help and its type."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
