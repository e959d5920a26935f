"""The cluster on the pages: its members, and the votes on a check."""

from collections.abc import Sequence

from prober.model.ballot import Ballot
from prober.model.cluster_view import ClusterView, MemberView
from prober.web.page.check_words import NONE, ago
from prober.web.page.frame import mark
from prober.web.page.html import NOTHING, Content, Html, scrolled, tag
from prober.web.page.scene import Scene


def member_section(view: ClusterView | None, scene: Scene) -> Html:
    """Return the members of the cluster; nothing without one."""
    if view is None:
        return NOTHING
    words: list[Content] = []
    if view.degraded:
        words.append("etcd is away: this is what was known before. ")
    if view.configurations > 1:
        words.append("The configurations of the members differ.")
    return tag(
        "section",
        tag("h2", f"Members of {view.name}"),
        tag("p", words, class_="alarm") if words else None,
        _table(
            "Members",
            ["Member", "Zone", "Checks", "State", "Up", "Version", "Configuration"],
            [_member(each, view, scene) for each in view.members],
        ),
    )


def _member(each: MemberView, view: ClusterView, scene: Scene) -> Html:
    is_link = each.url and each.name != view.member
    name: Content = tag("a", each.name, href=each.url) if is_link else each.name
    return tag(
        "tr",
        tag("th", name, " (this one)" if each.name == view.member else None, scope="row"),
        tag("td", each.zone or NONE),
        tag("td", f"{each.checks:,}"),
        tag("td", "leaving" if each.draining else "joined"),
        tag("td", ago(each.started_at, scene.now.wall)),
        tag("td", each.version),
        tag("td", tag("code", each.config_hash[:8])),
        data_key=each.name,
    )


def vote_section(votes: Sequence[Ballot] | None, scene: Scene) -> Html:
    """Return the votes on a check; nothing without a cluster."""
    if votes is None:
        return NOTHING
    if not votes:
        return tag("section", tag("h2", "Votes"), tag("p", "None yet.", class_="quiet"))
    heads = ["Member", "Zone", "Status", "For", "Streak", "Last news"]
    return tag(
        "section",
        tag("h2", "Votes"),
        _table("Votes", heads, [_vote(ballot, scene) for ballot in votes]),
    )


def _vote(ballot: Ballot, scene: Scene) -> Html:
    vote = ballot.vote
    last = f"{vote.last.result} ({vote.last.reason}): {vote.last.detail}" if vote.last else NONE
    return tag(
        "tr",
        tag("th", ballot.member, scope="row"),
        tag("td", ballot.zone or NONE),
        tag("td", mark(vote.status)),
        tag("td", ago(vote.since, scene.now.wall)),
        tag("td", f"{vote.health.streak:+d}"),
        tag("td", last, class_="cause"),
        data_key=ballot.member,
    )


def _table(title: str, heads: Sequence[str], rows: Sequence[Html]) -> Html:
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads]))
    return scrolled(tag("table", head, tag("tbody", rows), class_="plain"), title)
