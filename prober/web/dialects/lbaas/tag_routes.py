"""The tags of Huawei's load balancers, which have paths of their own in both versions of the API.

Documents: "Tag" (elb_zq_bq_0000) in "APIs (OpenStack)", and ChangeLoadbalancerTags,
ShowLoadbalancerTags and ListLoadbalancerTags of version 3, in Huawei's API reference. prober has no
listeners, so there are no tags of any.
"""

from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from prober.model.kinds import choice
from prober.web.dialects.lbaas.edit_requests import Kinds, read_members
from prober.web.dialects.lbaas.load_balancer_edits import keep_load_balancer, tags_of_load_balancer
from prober.web.dialects.lbaas.project_view import LoadBalancer, absent, project_view_of
from prober.web.dialects.lbaas.resource import ResourceRoute
from prober.web.dialects.lbaas.tag_pairs import TAG_PAIR, TAG_PAIRS, TagPair, pair_of, shown_pairs
from prober.web.dialects.lbaas.tag_search import search_by_tags
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response

_ACTION = choice("create", "delete")


async def get_tags(request: web.Request) -> web.Response:
    """Show the tags of a load balancer."""
    found = _balancer_of(request)
    return json_response({"tags": shown_pairs(tags_of_load_balancer(found))})


async def get_all_tags(request: web.Request) -> web.Response:
    """List the keys of all tags of load balancers, each with its values."""
    values: dict[str, dict[str, None]] = {}
    for each in project_view_of(request).load_balancers():
        for key, value in map(pair_of, tags_of_load_balancer(each)):
            values.setdefault(key, {})[value] = None
    listed = [{"key": key, "values": list(found)} for key, found in values.items()]
    return json_response({"tags": listed})


async def post_tag(request: web.Request) -> web.Response:
    """Set a tag of a load balancer."""
    editor_of(request)
    given = await read_members(request, {"tag": TAG_PAIR}, required=("tag",))
    return _set(request, [given["tag"]])


async def delete_tag(request: web.Request) -> web.Response:
    """Delete the tag with a key."""
    editor_of(request)
    key, found = request.match_info["key"], _balancer_of(request)
    if key not in {pair_of(tag).key for tag in tags_of_load_balancer(found)}:
        what = f"load balancer {found.shown_name!r} has no tag with the key {key[:200]!r}"
        raise Refused(HTTPStatus.NOT_FOUND, what)
    return _delete(request, [TagPair(key, "")])


async def post_action(request: web.Request) -> web.Response:
    """Set or delete tags of a load balancer; one to delete that is not there is no error."""
    editor_of(request)
    _balancer_of(request)
    kinds: Kinds = {"action": _ACTION, "tags": TAG_PAIRS}
    given = await read_members(request, kinds, required=("action", "tags"))
    return (_set if given["action"] == "create" else _delete)(request, given["tags"])


async def post_search(request: web.Request) -> web.Response:
    """Find load balancers by their tags, or count them."""
    return json_response(await search_by_tags(request, project_view_of(request).load_balancers()))


async def get_no_tags(_: web.Request) -> web.Response:
    """List the tags of all listeners: there are none."""
    return json_response({"tags": []})


async def refuse_listener(request: web.Request) -> web.Response:
    """Say that there is no such listener."""
    raise absent("listener", request.match_info["id"])


async def post_listener_search(request: web.Request) -> web.Response:
    """Find listeners by their tags: there are none."""
    return json_response(await search_by_tags(request, ()))


def _balancer_of(request: web.Request) -> LoadBalancer:
    return project_view_of(request).load_balancer(request.match_info["id"])


def _set(request: web.Request, pairs: Iterable[TagPair]) -> web.Response:
    """Give a load balancer tags, in the place of those with the same keys."""
    new = {pair.key: str(pair) for pair in pairs}
    keys = set(new)
    kept = []
    for tag in tags_of_load_balancer(_balancer_of(request)):
        key = pair_of(tag).key
        if key not in keys:
            kept.append(tag)
        elif key in new:
            kept.append(new.pop(key))
    return _keep(request, [*kept, *new.values()])


def _delete(request: web.Request, pairs: Collection[TagPair]) -> web.Response:
    """Delete tags; a pair without a value stands for every value of its key."""
    gone, keys = set(pairs), {pair.key for pair in pairs if not pair.value}
    there = [(tag, pair_of(tag)) for tag in tags_of_load_balancer(_balancer_of(request))]
    return _keep(request, [tag for tag, pair in there if pair not in gone and pair.key not in keys])


def _keep(request: web.Request, tags: list[str]) -> web.Response:
    visible, found = project_view_of(request), _balancer_of(request)
    if tags != tags_of_load_balancer(found):
        keep_load_balancer(visible, found, {"tags": tags})
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _routes(noun: str, handlers: Iterable[tuple[str, str, Handler]]) -> Iterator[ResourceRoute]:
    for method, path, handler in handlers:
        yield ResourceRoute(method, f"/{noun}{path}", handler)


_ONE = "/{id}/tags"
SEARCHES = "/resource_instances/action"
"""The end of the paths that are searched, which changes nothing."""
V3_TAG_ROUTES = (
    *_routes(
        "loadbalancers",
        (
            ("GET", "/tags", get_all_tags),
            ("GET", _ONE, get_tags),
            ("POST", f"{_ONE}/action", post_action),
        ),
    ),
    *_routes(
        "listeners",
        (
            ("GET", "/tags", get_no_tags),
            ("GET", _ONE, refuse_listener),
            ("POST", f"{_ONE}/action", refuse_listener),
        ),
    ),
)
"""What version 3 has, below the project."""
V2_TAG_ROUTES = (
    *V3_TAG_ROUTES,
    *_routes(
        "loadbalancers",
        (
            ("POST", _ONE, post_tag),
            ("DELETE", f"{_ONE}/{{key}}", delete_tag),
            ("POST", SEARCHES, post_search),
        ),
    ),
    *_routes(
        "listeners",
        (
            ("POST", _ONE, refuse_listener),
            ("DELETE", f"{_ONE}/{{key}}", refuse_listener),
            ("POST", SEARCHES, post_listener_search),
        ),
    ),
)
"""What version 2 has, below the project."""
