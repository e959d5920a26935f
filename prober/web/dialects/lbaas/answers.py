"""Common parts of both clouds' answers: the request id, and Huawei's error codes."""

from uuid import uuid4

from aiohttp import web

REQUEST_ID = web.RequestKey("REQUEST_ID", str)
_ERROR_CODES = {400: "ELB.8902", 404: "ELB.8904"}  # those in Huawei's documentation


def request_id(request: web.Request) -> str:
    """Return the id of a request; it is the same for each call."""
    if REQUEST_ID not in request:
        request[REQUEST_ID] = str(uuid4())
    return request[REQUEST_ID]


def error_code(status: int) -> str:
    """Return Huawei's code for an error: a known one, or one made from the status."""
    return _ERROR_CODES.get(status, f"ELB.{status}")
