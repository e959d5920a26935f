"""The JSON shape of a cluster."""

from prober.model.cluster_view import ClusterView, MemberView
from prober.web.api.shape import (
    BOOLEAN,
    COUNT,
    SECONDS,
    TEXT,
    TIME,
    Shape,
    listed,
    member,
    one_word_of,
)

MEMBER: Shape[MemberView] = Shape(
    "Member",
    member("name", TEXT, lambda view: view.name),
    member("zone", TEXT, lambda view: view.zone),
    member("url", TEXT, lambda view: view.url, "where its API is reached"),
    member("version", TEXT, lambda view: view.version),
    member("started_at", TIME, lambda view: view.started_at),
    member("checks", COUNT, lambda view: view.checks, "how many checks it probes"),
    member("draining", BOOLEAN, lambda view: view.draining, "it hands over to the others"),
    member("config_hash", TEXT, lambda view: view.config_hash, "of its monitors and pools"),
    member("lease_seconds", SECONDS, lambda view: view.lease_seconds, "how long its lease lasts"),
)
_ETCD: Shape[ClusterView] = Shape(
    "",
    member("up", BOOLEAN, lambda view: not view.degraded),
    member("endpoint", TEXT, lambda view: view.endpoint, "the URL of etcd that is used"),
)
CLUSTER: Shape[ClusterView] = Shape(
    "Cluster",
    member("name", TEXT, lambda view: view.name),
    member("member", TEXT, lambda view: view.member, "the name of the member that answers"),
    member(
        "state",
        one_word_of(("joined", "degraded")),
        lambda view: "degraded" if view.degraded else "joined",
        "degraded: it works with what it knows, because etcd is away",
    ),
    member("etcd", _ETCD.type, lambda view: view),
    member("members", listed(MEMBER.type), lambda view: view.members, "the live members by name"),
    member("shards", COUNT, lambda view: view.shards, "parts that checks are divided into"),
    member("configurations_differ", BOOLEAN, lambda view: view.configurations > 1),
)
