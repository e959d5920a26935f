"""The matrix of a pool: the status and last results of each check, by backend and monitor."""

from collections.abc import Sequence

from prober.model.admin import AdminEntry
from prober.model.monitor import Monitor
from prober.state.check_state import BackendState, CheckState
from prober.web.page.bar import bar
from prober.web.page.check_words import ago, last_words, latency_words, progress_words, until_words
from prober.web.page.frame import icon, mark
from prober.web.page.html import Content, Html, tag
from prober.web.page.scene import Scene
from prober.web.page.view import word_of


def matrix(
    backends: Sequence[BackendState], monitors: Sequence[Monitor], scene: Scene
) -> list[Html]:
    """Return the head and the body of the table."""
    heads = ["Status", "Backend", *(monitor.name for monitor in monitors)]
    head = tag(
        "tr",
        [tag("th", text, scope="col") for text in heads[:2]],
        [
            tag("th", monitor.name, tag("span", monitor.type, class_="type"), scope="col")
            for monitor in monitors
        ],
    )
    rows = [_row(backend, monitors, scene) for backend in backends]
    return [tag("thead", head), tag("tbody", rows)]


def _row(backend: BackendState, monitors: Sequence[Monitor], scene: Scene) -> Html:
    states = {state.check.monitor.name: state for state in backend.checks}
    cells = [_cell(states.get(monitor.name), scene) for monitor in monitors]
    since = max((state.since for state in backend.checks), default=None)
    name = backend.backend.name
    labels = ", ".join(f"{key}={value}" for key, value in backend.backend.labels.items())
    return tag(
        "tr",
        tag(
            "td",
            mark(backend.status),
            tag("small", ago(since, scene.now.wall)) if since is not None else None,
            class_="state",
        ),
        tag(
            "th",
            tag("b", name or backend.key),
            tag("code", backend.key, class_="backend") if name else None,
            tag("span", labels, class_="backend") if labels else None,
            _admin(backend.admin, scene),
            scope="row",
            class_="check",
        ),
        cells,
        class_=backend.status.lower(),
        data_key=backend.key,
        data_status=str(backend.status),
    )


def _admin(entry: AdminEntry | None, scene: Scene) -> Html | None:
    """Return an admin state, with its end and its reason."""
    if entry is None:
        return None
    word = entry.state.replace("_", " ")
    end = until_words(entry.until, scene.now.wall)
    return tag(
        "span", tag("b", word), f" {end}" if end else None, f": {entry.reason}", class_="admin"
    )


def _cell(state: CheckState | None, scene: Scene) -> Html:
    if state is None:
        return tag("td", tag("span", "not probed", class_="quiet"))
    monitor, address = state.check.key
    word, progress = word_of(state), progress_words(state)
    words: Content = (
        icon(word),
        tag("span", f"{word}: ", class_="unseen"),
        last_words(state),
    )
    link = tag("a", words, href=scene.to_check(monitor, address), class_="cell")
    notes = " · ".join(part for part in (progress, latency_words(state)) if part)
    return tag("td", link, bar(state.recent), tag("small", notes))
