"""The selection and order of the checks: in the query of the page.

People edit URLs by hand, so invalid parameters are ignored.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from prober.model.aggregate import WORST_FIRST
from prober.state.check_state import CheckState
from prober.web.server.query import Parameter

DISABLED = "DISABLED"
"""In addition to the statuses: not probed; these checks do not count as UNKNOWN."""
WORDS = (*WORST_FIRST, DISABLED)
"""All states to filter by, the most urgent first."""
RANK: Mapping[str, int] = {word: rank for rank, word in enumerate(WORDS)}

PROBLEMS = "problems"
SORTS = (PROBLEMS, "name", "since", "latency", "certificate")
"""The orders; a leading `-` reverses one."""
REFRESH = (10, 30, 60)
"""Reload intervals of a page without JavaScript, in seconds."""
_LONGEST = 200  # characters of a search
_NUMBER = re.compile(r"[0-9]{1,6}")


def _parameter(name: str, doc: str, words: Iterable[str] = ()) -> Parameter:
    schema: dict[str, object] = {"enum": list(words)} if words else {"type": "string"}
    return Parameter(name, str, schema, doc)


PAGE_QUERY = (_parameter("page", "number of the page"),)
VIEW_QUERY = (
    Parameter("status", str, {"enum": list(WORDS)}, "only checks with this status", many=True),
    _parameter("q", "only checks whose names, address and type contain all these words"),
    _parameter("pool", "only checks of this pool"),
    _parameter("load_balancer", "only checks of pools of this load balancer"),
    _parameter(
        "sort",
        "the order; a leading `-` reverses it",
        [s + each for s in ("", "-") for each in SORTS],
    ),
    *PAGE_QUERY,
    _parameter(
        "refresh", "seconds after which a page without JavaScript is reloaded", map(str, REFRESH)
    ),
)
"""The query parameters; `read_view` reads them."""
CERTIFICATE_QUERY = (
    _parameter("issuer", "only certificates of this issuer"),
    *PAGE_QUERY,
)
"""The query parameters of the page of certificates."""


class PageView(NamedTuple):
    """A selection of checks; empty sets and texts allow all.

    `refresh` is the number of seconds after which a page without JavaScript is reloaded, or 0.
    """

    status: frozenset[str] = frozenset()
    q: str = ""
    pool: str = ""
    load_balancer: str = ""
    sort: str = PROBLEMS
    page: int = 1
    refresh: int = 0

    @property
    def order(self) -> str:
        """The sort without its direction."""
        return self.sort.removeprefix("-")

    @property
    def is_grouped(self) -> bool:
        """Whether checks are grouped by pool."""
        return self.order in (PROBLEMS, "name")

    @property
    def selects(self) -> bool:
        """Whether any check is filtered out."""
        return bool(self.status or self.q or self.pool or self.load_balancer)

    def toggled(self, word: str) -> "PageView":
        """Return the first page of this view with the filter for a status toggled."""
        return self._replace(status=self.status ^ {word}, page=1)

    def href(self, path: str) -> str:
        """Return the URL of this view of the page at `path`."""
        default = PageView()
        fields = [("status", word) for word in WORDS if word in self.status]
        fields += [
            (name, str(value))
            for name in ("q", "pool", "load_balancer", "sort", "page", "refresh")
            if (value := getattr(self, name)) != getattr(default, name)
        ]
        return f"{path}?{urlencode(fields, errors='replace')}" if fields else path

    def allows(self, state: CheckState) -> bool:
        """Return whether a check matches, regardless of its status."""
        pool = state.check.pool
        if (self.pool and pool.name != self.pool) or (
            self.load_balancer and pool.load_balancer != self.load_balancer
        ):
            return False
        if not self.q:
            return True
        monitor, backend = state.check.key
        names = [monitor, pool.name, pool.load_balancer, state.check.backend.name or ""]
        names += [backend, state.check.monitor.type]
        text = "\n".join(names).casefold()
        return all(word in text for word in self.q.casefold().split())


def read_view(request: web.Request) -> PageView:
    """Return the view of a query."""
    query = request.query
    sort = query.get("sort", PROBLEMS)
    page = query.get("page", "")
    refresh = query.get("refresh", "")
    return PageView(
        status=frozenset(query.getall("status", [])) & frozenset(WORDS),
        q=query.get("q", "").strip()[:_LONGEST],
        pool=query.get("pool", ""),
        load_balancer=query.get("load_balancer", ""),
        sort=sort if sort.removeprefix("-") in SORTS else PROBLEMS,
        page=max(1, int(page)) if _NUMBER.fullmatch(page) else 1,
        refresh=int(refresh) if refresh in map(str, REFRESH) else 0,
    )


def word_of(state: CheckState) -> str:
    """Return the state of a check for sorting and filtering."""
    return state.status if state.check.enabled else DISABLED
