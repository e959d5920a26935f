"""What answers of both clouds carry: the id of the request, and Huawei's codes of errors."""

from uuid import uuid4

from aiohttp import web

REQUEST_ID = web.RequestKey("REQUEST_ID", str)
_ERROR_CODES = {400: "ELB.8902", 404: "ELB.8904"}  # those that Huawei's documents show


def request_id(request: web.Request) -> str:
    """Return the id of a request, the same each time that it is asked for."""
    if REQUEST_ID not in request:
        request[REQUEST_ID] = str(uuid4())
    return request[REQUEST_ID]


def error_code(status: int) -> str:
    """Return Huawei's code of an error: its own where one is known, else the status."""
    return _ERROR_CODES.get(status, f"ELB.{status}")
