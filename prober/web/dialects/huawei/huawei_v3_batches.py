"""Huawei's edits of many objects in one request: batches of members and pools, and cascades.

Documents: BatchCreateMembers, BatchUpdateMembers, BatchDeleteMembers, BatchDeletePools,
DeletePoolCascade, DeleteLoadBalancerCascade and DeleteLoadBalancerForce in Huawei's API reference.
"""

from collections.abc import Sequence

from aiohttp import web

from prober.model.kinds import BOOLEAN
from prober.model.option import Complaint, in_words
from prober.web.dialects.huawei.huawei_v3_objects import MEMBER_FORM
from prober.web.dialects.lbaas.answers import request_id
from prober.web.dialects.lbaas.edit_requests import (
    KeptField,
    read_body,
    read_kept,
    read_object,
    refused,
)
from prober.web.dialects.lbaas.load_balancer_edits import remove_load_balancer
from prober.web.dialects.lbaas.member_batches import add_members, delete_members, update_members
from prober.web.dialects.lbaas.pool_edits import delete_pool, remove_pool
from prober.web.dialects.lbaas.project_view import project_view_of
from prober.web.dialects.lbaas.resource import ResourceRoute
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json, json_response

DONE, EXISTED, NOT_FOUND = "successful", "existed", "not found"
"""What `ret_status` says."""
_MANY = 200
_CASCADE = {
    "unbounded_pool": KeptField(BOOLEAN, default=True),
    "public_ip": KeptField(BOOLEAN, default=False),
}


async def post_added(request: web.Request) -> web.Response:
    """Add members to a pool; one that is there already is no error."""
    added = await add_members(request, MEMBER_FORM)
    visible = project_view_of(request)
    shown = [
        {
            **MEMBER_FORM.show(visible, each.pool, each.member),
            "ret_status": DONE if each.new else EXISTED,
        }
        for each in added
    ]
    return _answer(request, "members", shown)


async def post_changed(request: web.Request) -> web.Response:
    """Change members of a pool."""
    changed = await update_members(request, MEMBER_FORM)
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    return _answer(request, "members", [MEMBER_FORM.show(visible, pool, each) for each in changed])


async def post_deleted(request: web.Request) -> web.Response:
    """Delete members of a pool; one that is not there is no error."""
    deleted = await delete_members(request)
    said = [{"id": each.id, "ret_status": DONE if each.found else NOT_FOUND} for each in deleted]
    return _answer(request, "members", said)


async def post_deleted_pools(request: web.Request) -> web.Response:
    """Delete pools, with their members and health monitors, and say of each what happened."""
    editor_of(request)
    listed = await read_body(request, "pools")
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise refused(Complaint(("pools",), f"expected a list of ids, got {in_words(listed)}"))
    if len(listed) > _MANY:
        raise refused(Complaint(("pools",), f"expected at most {_MANY}, got {len(listed)}"))
    said: list[Json] = []
    for each in listed:
        visible = project_view_of(request)  # a deleted pool is gone for the next one
        try:
            await remove_pool(request, visible, visible.pool(each))
        except Refused as error:
            status = NOT_FOUND if error.status == 404 else str(error)
            said.append({"id": each, "ret_status": status, "ret_code": f"ELB.{error.status}"})
        else:
            said.append({"id": each, "ret_status": DONE})
    return _answer(request, "pools", said)


async def delete_pool_cascade(request: web.Request) -> web.Response:
    """Delete a pool with its members and health monitors, which go with it in any case."""
    await delete_pool(request)
    return web.Response(status=204)


async def post_cascade(request: web.Request) -> web.Response:
    """Delete a load balancer with its pools."""
    given = await read_object(request, "loadbalancer") if await request.read() else {}
    values, wrong = read_kept(given, _CASCADE)
    if not values.get("unbounded_pool", True):
        why = "expected true: a pool cannot be left without a load balancer"
        wrong.append(Complaint(("unbounded_pool",), why))
    if wrong:
        raise refused(*wrong)
    return await delete_by_force(request)


async def delete_by_force(request: web.Request) -> web.Response:
    """Delete a load balancer with its pools."""
    await remove_load_balancer(request, cascade=True)
    return web.Response(status=204)


def _answer(request: web.Request, noun: str, listed: Sequence[Json]) -> web.Response:
    return json_response({noun: listed, "request_id": request_id(request)})


_MEMBERS = "/pools/{pool_id}/members"
BATCHES = (
    ResourceRoute("POST", f"{_MEMBERS}/batch-add", post_added),
    ResourceRoute("POST", f"{_MEMBERS}/batch-update", post_changed),
    ResourceRoute("POST", f"{_MEMBERS}/batch-delete", post_deleted),
    ResourceRoute("POST", "/pools/batch-delete", post_deleted_pools),
    ResourceRoute("DELETE", "/pools/{id}/delete-cascade", delete_pool_cascade),
    ResourceRoute("POST", "/loadbalancers/{id}/delete-cascade", post_cascade),
    ResourceRoute("DELETE", "/loadbalancers/{id}/force-elb", delete_by_force),
)
