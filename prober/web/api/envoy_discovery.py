"""`POST /v3/discovery:endpoints`: endpoint discovery for Envoy; needs an `envoy_eds` output."""

from aiohttp import web

from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response
from prober.web.server.json_body import read_json
from prober.web.server.query import read_query
from prober.web.server.services import services_of


async def discover_endpoints(request: web.Request) -> web.Response:
    """Endpoint discovery for Envoy (REST xDS, version 3): pools as ClusterLoadAssignments.

    The body is a DiscoveryRequest in JSON. While nothing has changed since its `version_info`, the
    answer waits for up to 30 s, and then is 304.
    """
    read_query(request)
    discovery = services_of(request).discovery()
    if discovery is None:
        raise Refused(404, "no output of type envoy_eds is configured")
    from prober.outputs.envoy_eds import DiscoveryRefused  # noqa: PLC0415  (loaded by then)

    try:
        response = await discovery.answer(await read_json(request))
    except DiscoveryRefused as refused:
        raise Refused(400, str(refused)) from None
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    return json_response(response) if response else web.Response(status=304)
