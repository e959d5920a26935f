"""Outputs on the pages: which outputs report a pool, and the state of each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prober.state.vitals import Vitals
from prober.web.page.check_words import NONE, ago
from prober.web.page.html import NOTHING, Content, Html, scrolled, tag
from prober.web.page.scene import Scene

if TYPE_CHECKING:
    from prober.outputs.counters import OutputCounters


def outputs_of_pool(vitals: Vitals, pool: str, scene: Scene) -> Html:
    """Return a line for each output that reports a pool; nothing without outputs."""
    if not vitals.outputs:
        return NOTHING
    heard = {name: each for name, each in sorted(vitals.outputs.items()) if each.selects(pool)}
    lines = [
        tag(
            "li",
            tag("b", name),
            tag("span", counters.type, class_="type"),
            tag("span", _words(counters, pool, scene)),
            class_="bad" if counters.last_error else "",
            data_key=name,
        )
        for name, counters in heard.items()
    ]
    listed = tag("ul", lines, class_="outputs") if lines else tag("p", "None.", class_="quiet")
    return tag("section", tag("h2", "Outputs that report this pool"), listed)


def _words(counters: "OutputCounters", pool: str, scene: Scene) -> Content:
    held = counters.held.get(pool, 0)
    keeps = f"; keeps {held} failing backends in service (`keep`)" if held else None
    if counters.last_error:
        return "failing: ", counters.last_error, keeps
    return "last sent ", _last_sent(counters, scene), keeps


def output_table(outputs: Mapping[str, "OutputCounters"], scene: Scene) -> Html:
    """Return the table of all outputs; nothing without outputs."""
    if not outputs:
        return NOTHING
    heads = [
        "Output",
        "Type",
        "State",
        "Last sent",
        "Sent",
        "Waiting",
        "Given up",
        "Held",
        "Errors",
    ]
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", each.type),
            tag("td", tag("b", "failing"), f": {each.last_error}")
            if each.last_error
            else tag("td", "working"),
            tag("td", _last_sent(each, scene)),
            [
                tag("td", f"{count:,}")
                for count in (each.sent, each.queue(), each.dropped, sum(each.held.values()))
            ],
            tag("td", _errors(each), class_="cause"),
            class_="bad" if each.last_error else "",
            data_key=name,
        )
        for name, each in sorted(outputs.items())
    ]
    table = tag(
        "table",
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="plain",
    )
    return tag("section", tag("h2", "Outputs"), scrolled(table, "Outputs"))


def _last_sent(counters: "OutputCounters", scene: Scene) -> Content:
    if not counters.last_success:
        return "never"
    return ago(counters.last_success, scene.now.wall), " ago"


def _errors(counters: "OutputCounters") -> str:
    found = [f"{reason} ×{count:,}" for reason, count in counters.errors.most_common() if count]
    return ", ".join(found) or NONE
