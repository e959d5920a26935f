"""The results as Markdown tables, and as an image for the README."""

import statistics
from collections.abc import Iterable
from html import escape
from typing import Any

from bench.measure import Measured

Turns = dict[str, list[Measured]]
"""The turns of each contestant; those of one round have the same index."""

BASE = "HAProxy"
COLOURS = {
    "prober": "#0b7285",
    "HAProxy": "#868e96",
    "blackbox_exporter": "#ced4da",
    "C, the limit": "#dee2e6",
}
_WIDTH, _LEFT, _BAR, _GAP = 720, 150, 15, 14


def ratio(turns: Turns, name: str, base: str) -> float | None:
    """Return the median of CPU over that of another, paired within a round."""
    if name not in turns or base not in turns:
        return None
    pairs = zip(turns[name], turns[base], strict=True)
    return statistics.median(a.cpu / b.cpu for a, b in pairs)


def row(kind: str, name: str, turns: Turns) -> dict[str, Any]:
    """Return the results of one contestant."""
    cpu = [turn.cpu for turn in turns[name]]
    against = {each: ratio(turns, name, each) for each in turns if each != name}
    return {
        "kind": kind,
        "checker": name,
        "cpu_ms_per_1000": round(statistics.median(cpu), 1),
        "range": [round(min(cpu), 1), round(max(cpu), 1)],
        "times": {each: round(value, 2) for each, value in against.items() if value},
        "probes_per_second": round(statistics.median(turn.rate for turn in turns[name])),
        "resident_mib": round(turns[name][-1].memory, 1),
    }


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Return the comparison as a Markdown table."""
    lines = ["| probe | checker | CPU ms per 1,000 probes | x HAProxy | probes/s | MiB |"]
    lines.append("|---|---|---|---|---|---|")
    for each in rows:
        low, high = each["range"]
        times = each["times"].get(BASE)
        against = "1" if each["checker"] == BASE else f"{times:.2f}" if times else "-"
        lines.append(
            f"| {each['kind']} | {each['checker']} | {each['cpu_ms_per_1000']} [{low} to {high}] "
            f"| {against} | {each['probes_per_second']} | {each['resident_mib']} |"
        )
    return "\n".join(lines)


def plain_table(rows: Iterable[dict[str, Any]]) -> str:
    """Return any rows with the same keys as a Markdown table."""
    listed = list(rows)
    lines = [f"| {' | '.join(listed[0])} |", "|" + "---|" * len(listed[0])]
    lines += ["| " + " | ".join(map(_shown, each.values())) + " |" for each in listed]
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:g}" for name, number in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def picture(rows: list[dict[str, Any]], title: str) -> str:
    """Return bars as SVG; the most expensive checker of each kind has the full width."""
    parts, y = [f'<text x="0" y="16" class="title">{escape(title)}</text>'], 38
    for kind in dict.fromkeys(each["kind"] for each in rows):
        group = [each for each in rows if each["kind"] == kind]
        most = max(each["cpu_ms_per_1000"] for each in group)
        parts.append(f'<text x="0" y="{y + 12}" class="kind">{escape(kind)}</text>')
        for each in group:
            width = (_WIDTH - _LEFT - 210) * each["cpu_ms_per_1000"] / most
            colour = COLOURS[each["checker"]]
            label = f"{each['checker']} {each['cpu_ms_per_1000']:g}"
            parts.append(
                f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" rx="2" '
                f'fill="{colour}"/><text x="{_LEFT + width + 6:.1f}" y="{y + 10}">'
                f"{escape(label)}</text>"
            )
            y += _BAR
        y += _GAP
    style = (
        "text{font:11px system-ui,sans-serif;fill:#495057}.title{font-weight:600;font-size:13px}"
        ".kind{font-weight:600;font-size:12px}"
        "@media(prefers-color-scheme:dark){text{fill:#ced4da}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img">'
        f"<title>{escape(title)}</title><style>{style}</style>{''.join(parts)}</svg>\n"
    )
