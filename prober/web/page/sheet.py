"""The checks as a table for spreadsheets (CSV)."""

import csv
import io

from aiohttp import web

from prober.model.wording import time_text
from prober.state.check_state import CheckState
from prober.state.pace import Pace
from prober.web.page.check_words import last_words
from prober.web.page.scene import private_scene
from prober.web.page.survey import latency_of, survey
from prober.web.page.view import read_view, word_of
from prober.web.server.services import services_of

COLUMNS = (
    *("status", "since", "load_balancer", "pool", "monitor", "name", "p50", "p95"),
    *("backend", "type", "result", "reason", "last", "detail", "at", "seconds"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # the first characters of a formula


async def get_csv(request: web.Request) -> web.Response:
    """The selected checks as CSV, all pages at once."""
    private_scene(request)
    pace = Pace()
    found = await survey(services_of(request).store, read_view(request), pace)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for state in found.found:
        writer.writerow([_harmless(cell) for cell in _cells(state)])
        await pace.pause()
    return web.Response(
        body=text.getvalue().encode(errors="replace"),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'inline; filename="status.csv"'},
    )


def _cells(state: CheckState) -> list[str | float | None]:
    check, latency, last = state.check, latency_of(state), state.last
    return [
        word_of(state),
        time_text(state.since),
        check.pool.load_balancer,
        check.pool.name,
        check.monitor.name,
        check.backend.name,
        latency and round(latency.p50, 6),
        latency and round(latency.p95, 6),
        state.check.key[1],
        state.check.monitor.type,
        last and last.result,
        last and last.reason,
        last_words(state),
        last and last.detail,
        time_text(last.at) if last else None,
        last and round(last.seconds, 6),
    ]


def _harmless(cell: str | float | None) -> str | float | None:
    """Return a cell that no spreadsheet treats as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
