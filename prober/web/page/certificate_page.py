"""The certificates that checks last saw, soonest to expire first, and where they are used."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from prober.model.probe import TLS_ISSUER, TLS_NOT_AFTER, TLS_VERSION, certificate_end
from prober.model.status import Status
from prober.state.archive import DAY
from prober.state.check_state import CheckState
from prober.state.pace import Pace
from prober.web.page.check_words import NONE, clock_words, time_tag
from prober.web.page.frame import answer, document, mark
from prober.web.page.html import NOTHING, Content, Html, scrolled, tag
from prober.web.page.scene import Scene, private_scene
from prober.web.page.survey import ROWS
from prober.web.page.view import read_view, word_of
from prober.web.server.services import services_of

SOON = 14 * DAY
"""A certificate is urgent this many seconds before it expires, unless a limit is configured."""


class ShownCertificate(NamedTuple):
    """The certificate that a check last saw.

    `leaf` is when it expires, `first` when the first certificate of its chain does, in unix
    seconds. `issuer` is empty if it is not known.
    """

    state: CheckState
    leaf: float | None
    first: float
    version: str
    issuer: str

    @property
    def is_of_chain(self) -> bool:
        """Whether another certificate of the chain expires first."""
        return self.leaf is not None and self.first < self.leaf


def certificate_of(state: CheckState) -> ShownCertificate | None:
    """Return the certificate that a check last saw, or None."""
    facts = (state.last.facts if state.last else None) or {}
    first, leaf = certificate_end(facts), facts.get(TLS_NOT_AFTER.name)
    if first is None:
        return None
    version, issuer = (str(facts.get(each.name, "")) for each in (TLS_VERSION, TLS_ISSUER))
    own = float(leaf) if isinstance(leaf, int | float) else None
    return ShownCertificate(state, own, first, version, issuer)


async def get_certificate_page(request: web.Request) -> web.Response:
    """The page of certificates, soonest to expire first."""
    scene, pace = private_scene(request), Pace()
    found = list[ShownCertificate]()
    for state in tuple(services_of(request).store):
        if certificate := certificate_of(state):
            found.append(certificate)
        await pace.pause()
    issuers = Counter(each.issuer for each in found)
    wanted = request.query.get("issuer")
    if wanted is not None:
        found = [each for each in found if each.issuer == wanted]
    found.sort(key=lambda each: (each.first, each.state.check.key))
    last = max(1, -(-len(found) // ROWS))
    page = min(read_view(request).page, last)
    shown = found[(page - 1) * ROWS : page * ROWS]
    now = scene.now.wall
    urgent = sum(each.first - now < _limit(each.state) for each in found)
    return answer(
        document(
            scene,
            tag("h1", "Certificates"),
            tag("p", _summary(len(found), urgent), class_="quiet"),
            _issuers(issuers, wanted),
            _table(shown, scene) if shown else _nothing(wanted),
            _pages(page, last, len(found), wanted),
            heading=f"Certificates · {scene.title}",
            worst=Status.WARNING if urgent else Status.OK,
        )
    )


def _limit(state: CheckState) -> float:
    """Return how long before its expiry a certificate is urgent: as configured, else SOON."""
    tls = state.check.monitor.tls
    return (tls.expires_within if tls else None) or SOON


def _summary(total: int, urgent: int) -> str:
    checks = "1 check sees" if total == 1 else f"{total:,} checks see"
    return f"{checks} a certificate; {urgent:,} of them {'ends' if urgent == 1 else 'end'} soon."


def _issuers(issuers: Counter[str], wanted: str | None) -> Html:
    """Return the issuers with their number of certificates, as links that filter."""
    if wanted is None and len(issuers) <= 1:
        return NOTHING
    links = [
        tag(
            "li",
            tag(
                "a",
                tag("b", f"{count:,}"),
                name or _NAMELESS,
                href=_address(name),
                class_="chip",
                aria_current="true" if name == wanted else None,
            ),
        )
        for name, count in issuers.most_common(_MOST_ISSUERS)
    ]
    if wanted is not None:
        links.append(tag("li", tag("a", "Show all", href="?", class_="chip")))
    return tag("nav", tag("ul", links), class_="balancers", aria_label="Issuers")


def _address(issuer: str | None, page: int = 1) -> str:
    words = {} if issuer is None else {"issuer": issuer}
    numbers = {"page": str(page)} if page > 1 else {}
    return f"?{urlencode({**words, **numbers}, errors='replace')}"


_NAMELESS = "not known"
_MOST_ISSUERS = 24
_HEADS = ("Left", "Earliest end", "Own end", "Issuer", "TLS", "Verified", "Status", "Used by")


def _table(shown: Sequence[ShownCertificate], scene: Scene) -> Html:
    rows = [_row(each, scene) for each in shown]
    table = tag(
        "table",
        tag("caption", "Certificates, soonest to expire first", class_="unseen"),
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in _HEADS])),
        tag("tbody", rows),
        class_="plain certificates",
    )
    return scrolled(table, "Certificates")


def _row(each: ShownCertificate, scene: Scene) -> Html:
    check, now = each.state.check, scene.now.wall
    left, tls = each.first - now, check.monitor.tls
    look = "bad" if left < 0 else "fair" if left < _limit(each.state) else ""
    days = f"{int(abs(left) // DAY)} d"
    chain = tag("small", " another of the chain") if each.is_of_chain else None
    monitor, backend = check.key
    where: Content = (
        tag("a", monitor, href=scene.to_check(monitor, backend)),
        " ",
        tag("code", backend),
        f" {check.backend.name}" if check.backend.name else None,
    )
    return tag(
        "tr",
        tag("th", f"ended {days} ago" if left < 0 else days, scope="row", class_=f"share {look}"),
        tag("td", _day(each.first), chain),
        tag("td", _day(each.leaf) if each.leaf is not None else NONE),
        tag("td", tag("a", each.issuer, href=_address(each.issuer)) if each.issuer else NONE),
        tag("td", each.version),
        tag("td", "yes" if tls and tls.verify else "no"),
        tag("td", mark(word_of(each.state))),
        tag("td", where),
        data_key=f"{monitor} {backend}",
    )


def _day(at: float) -> Html:
    return time_tag(at, clock_words(at, date=True).partition(" ")[0])


def _nothing(wanted: str | None) -> Html:
    if wanted is not None:
        return tag("div", tag("p", "No certificate is from this issuer."), class_="empty")
    words = "No check has seen a certificate yet. Add an HTTPS or TLS monitor to see some."
    return tag("div", tag("p", words), class_="empty")


def _pages(page: int, last: int, total: int, wanted: str | None) -> Html | None:
    if last == 1:
        return None
    links = [
        tag("a", text, href=_address(wanted, number), rel=rel)
        for text, number, rel in (("Previous", page - 1, "prev"), ("Next", page + 1, "next"))
        if 1 <= number <= last
    ]
    where = f"page {page:,} of {last:,}, {total:,} in all"
    return tag("nav", tag("span", where), links, class_="pages", aria_label="Pages")
