"""Oracle's own SDK for Python against a listening prober that verifies what it signs."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from prober.model.status import Reason
from prober.web.server.errors import Refused
from prober.web.server.signatures import BadSignature, SignedRequest, claim_oracle
from tests.clients.oracle import KEY_ID, sdk_config
from tests.web.dialects.editing import FakeEditor
from tests.web.dialects.oracle.conftest import oracle_world
from tests.web.world import World

os.environ["OCI_SDK_DEFAULT_CIRCUITBREAKER_ENABLED"] = "false"  # read when the SDK is imported
oci: Any = pytest.importorskip("oci", reason="the SDK oci is not installed")
lb: Any = pytest.importorskip("oci.load_balancer")
nlb: Any = pytest.importorskip("oci.network_load_balancer")

IPV6 = "[2001:db8::7]:80"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY = new_key()
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


class Prober:
    """A listening prober: its world, its editor, and what it was asked.

    It hides its next answers, after the work is done, behind the statuses in `spoil`.
    """

    def __init__(self) -> None:
        self.world = World()
        self.editor: FakeEditor = oracle_world(self.world)
        self.asked: list[SignedRequest] = []
        self.spoil: list[int] = []
        self.url = ""
        self._clients: list[Any] = []

    def app(self) -> web.Application:
        """Return the application; whoever did not sign is refused."""
        app = self.world.app(editor=self.editor)

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            body = await request.read()
            signed = SignedRequest(request.method, request.raw_path, headers, has_body=bool(body))
            try:
                claim = claim_oracle(signed, {KEY_ID: PUBLIC.decode()}, time.time())
                claim.prove(body)
                assert claim.key_id == KEY_ID
            except BadSignature as bad:
                raise Refused(401, str(bad)) from None
            self.asked.append(signed)
            response = await handler(request)
            if self.spoil:
                raise Refused(self.spoil.pop(0), "the answer is lost")
            return response

        app.middlewares.append(guard)
        return app

    def client(self, service: Any, key: rsa.RSAPrivateKey = KEY) -> Any:
        """Return a client of a service as people make it."""
        client = service(sdk_config(key), service_endpoint=self.url)
        self._clients.append(client)
        return client

    def hang_up(self) -> None:
        """Close the connections of the clients."""
        for client in self._clients:
            client.base_client.session.close()

    @property
    def lb(self) -> Any:
        """A client of the Load Balancer service."""
        return self.client(lb.LoadBalancerClient)

    @property
    def nlb(self) -> Any:
        """A client of the Network Load Balancer service."""
        return self.client(nlb.NetworkLoadBalancerClient)


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    found = Prober()
    async with TestServer(found.app()) as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found
        found.hang_up()


ask = asyncio.to_thread  # the SDK blocks


async def error_of(operation: Any, *arguments: Any, **more: Any) -> Any:
    """Return the error that an operation of the SDK ends with."""
    with pytest.raises(oci.exceptions.ServiceError) as raised:
        await ask(operation, *arguments, **more)
    return raised.value


def details(**more: Any) -> Any:
    """Return an edit with all that the Load Balancer service requires."""
    wanted = {
        "protocol": "HTTP",
        "port": 8080,
        "return_code": 204,
        "retries": 5,
        "timeout_in_millis": 3000,
        "interval_in_millis": 10000,
        "response_body_regex": "^((?!false).|\\s)*$",
    }
    return lb.models.UpdateHealthCheckerDetails(**{**wanted, **more})


NO_WAIT: Any = (
    oci.retry.RetryStrategyBuilder(
        max_attempts=4,
        retry_base_sleep_time_seconds=0,
        retry_exponential_growth_factor=1,
        retry_max_wait_between_calls_seconds=0.001,
        backoff_type=oci.retry.BACKOFF_FULL_JITTER_VALUE,
    )
    .add_service_error_check()
    .get_retry_strategy()
)


async def test_health_through_the_load_balancer_client(prober: Prober) -> None:
    prober.world.record("web-http", "10.0.0.1:80", Reason.PAYLOAD_MISMATCH, times=3)
    prober.world.record("web-tcp", "10.0.0.1:80", Reason.OK, times=3)
    health = (await ask(prober.lb.get_backend_health, "lb", "web", "10.0.0.1:80")).data
    assert health.status == "WARNING"
    words = [result.health_check_status for result in health.health_check_results]
    assert words == ["REGEX_MISMATCH", "OK"]
    first = health.health_check_results[0]
    assert (first.subnet_id, first.source_ip_address) == ("here", "")
    assert first.timestamp.timestamp() == prober.world.wall
    health = (await ask(prober.lb.get_backend_set_health, "lb", "web")).data
    assert (health.status, health.total_backend_count) == ("UNKNOWN", 3)
    assert health.warning_state_backend_names == ["10.0.0.1:80"]
    assert health.unknown_state_backend_names == ["10.0.0.2:80", IPV6]
    health = (await ask(prober.lb.get_load_balancer_health, "lb")).data
    assert (health.status, health.total_backend_set_count) == ("UNKNOWN", 2)
    healths = (await ask(prober.lb.list_load_balancer_healths, "c2")).data
    assert {each.load_balancer_id: each.status for each in healths} == {
        "lb": "UNKNOWN",
        "other": "UNKNOWN",
    }


async def test_health_through_the_network_load_balancer_client(prober: Prober) -> None:
    prober.world.record("web-http", "10.0.0.1:80", Reason.PAYLOAD_MISMATCH, times=3)
    prober.world.record("web-tcp", "10.0.0.1:80", Reason.REFUSED, times=3)
    health = (await ask(prober.nlb.get_backend_health, "lb", "web", "10.0.0.1:80")).data
    assert health.status == "CRITICAL"
    words = [result.health_check_status for result in health.health_check_results]
    assert words == ["HEALTH_PAYLOAD_MISMATCH", "CONNECT_FAILED"]
    health = (await ask(prober.nlb.get_backend_set_health, "lb", "web")).data
    assert health.critical_state_backend_names == ["10.0.0.1:80"]
    health = (await ask(prober.nlb.get_network_load_balancer_health, "lb")).data
    assert (health.status, health.total_backend_set_count) == ("UNKNOWN", 2)
    healths = (await ask(prober.nlb.list_network_load_balancer_healths, "c1")).data.items
    assert [(e.network_load_balancer_id, e.status) for e in healths] == [("lb", "UNKNOWN")]


async def test_listings_through_the_load_balancer_client(prober: Prober) -> None:
    client = prober.lb
    assert [each.id for each in (await ask(client.list_load_balancers, "c1")).data] == ["lb"]
    balancer = (await ask(client.get_load_balancer, "lb")).data
    assert (balancer.lifecycle_state, balancer.compartment_id) == ("ACTIVE", "c1")
    assert list(balancer.backend_sets) == ["web", "dns/a b%2F"]
    sets = (await ask(client.list_backend_sets, "lb")).data
    assert sets == list(balancer.backend_sets.values())
    assert (await ask(client.get_backend_set, "lb", "web")).data == sets[0]
    backends = (await ask(client.list_backends, "lb", "web")).data
    assert [each.name for each in backends] == ["10.0.0.1:80", "10.0.0.2:80", IPV6]
    assert (await ask(client.get_backend, "lb", "web", IPV6)).data == backends[2]
    assert (backends[2].ip_address, backends[2].port) == ("2001:db8::7", 80)
    assert (await ask(client.get_backend_health, "lb", "web", "2001:db8::7:80")).status == 200


async def test_listings_through_the_network_load_balancer_client(prober: Prober) -> None:
    client = prober.nlb
    items = (await ask(client.list_network_load_balancers, "c1")).data.items
    assert [each.id for each in items] == ["lb"]
    balancer = (await ask(client.get_network_load_balancer, "lb")).data
    assert list(balancer.backend_sets) == ["web", "dns/a b%2F"]
    assert balancer.lifecycle_state == "ACTIVE"
    sets = (await ask(client.list_backend_sets, "lb")).data.items
    assert [each.name for each in sets] == ["dns/a b%2F", "web"]
    assert sets[0].health_checker.protocol == "UDP"
    assert (await ask(client.get_backend_set, "lb", "web")).data.policy == "FIVE_TUPLE"
    backend = (await ask(client.get_backend, "lb", "web", IPV6)).data
    assert (backend.name, backend.is_offline) == (IPV6, False)


async def test_a_slash_in_a_name_needs_strict_encoding(prober: Prober) -> None:
    found = await ask(
        prober.lb.get_backend_set, "lb", "dns/a b%2F", enable_strict_url_encoding=True
    )
    assert found.data.name == "dns/a b%2F"


async def test_pages_are_followed_to_their_end(prober: Prober) -> None:
    every = oci.pagination.list_call_get_all_results
    found = (await ask(every, prober.nlb.list_backends, "lb", "web", limit=2)).data
    assert [each.name for each in found] == ["10.0.0.1:80", "10.0.0.2:80", IPV6]
    assert len(prober.asked) == 2
    found = (await ask(every, prober.lb.list_load_balancers, "c2", limit=1)).data
    assert [each.id for each in found] == ["lb", "other"]
    assert len(prober.asked) == 4


async def test_the_load_balancer_client_edits_a_health_checker(prober: Prober) -> None:
    shown = (await ask(prober.lb.get_health_checker, "lb", "web")).data
    assert (shown.protocol, shown.port, shown.interval_in_millis) == ("HTTP", 0, 7000)
    edited = await ask(prober.lb.update_health_checker, details(url_path="/x"), "lb", "web")
    assert edited.headers["opc-work-request-id"]
    shown = (await ask(prober.lb.get_health_checker, "lb", "web")).data
    for name, value in vars(details(url_path="/x")).items():
        if name.startswith("_") and value is not None:
            assert getattr(shown, name) == value
    monitor = prober.world.store.monitors["web-http"]
    assert (monitor.type, monitor.rise, monitor.labels) == ("HTTPS", 4, {"rack": "r1"})


async def test_an_edit_and_the_wait_for_it(prober: Prober) -> None:
    both = lb.LoadBalancerClientCompositeOperations(prober.lb)
    update = both.update_health_checker_and_wait_for_state
    done = (await ask(update, details(), "lb", "web", wait_for_states=["SUCCEEDED"])).data
    assert (done.type, done.lifecycle_state) == ("UpdateHealthChecker", "SUCCEEDED")
    work = (await ask(prober.lb.list_work_requests, "lb")).data
    assert [each.id for each in work] == [done.id]

    both = nlb.NetworkLoadBalancerClientCompositeOperations(prober.nlb)
    update = both.update_health_checker_and_wait_for_state
    change = nlb.models.UpdateHealthCheckerDetails(protocol="UDP", request_data="aGk=")
    done = (await ask(update, "lb", change, "web", wait_for_states=["SUCCEEDED"])).data
    assert (done.operation_type, done.status) == ("UPDATE_HEALTH_CHECKER", "SUCCEEDED")
    assert prober.world.store.monitors["web-http"].type == "UDP_CONNECT"
    work = (await ask(prober.nlb.list_work_requests, "c1")).data.items
    assert [each.id for each in work] == [done.id]


@pytest.mark.parametrize("lost", [[503], [500, 429, 503]])
async def test_an_edit_whose_answer_is_lost_is_made_once(prober: Prober, lost: list[int]) -> None:
    client = prober.lb
    etag = (await ask(client.get_health_checker, "lb", "web")).headers["etag"]
    del prober.asked[:]
    prober.spoil = lost.copy()
    more = {"if_match": etag, "retry_strategy": NO_WAIT}
    done = await ask(client.update_health_checker, details(), "lb", "web", **more)
    assert done.status == 204
    assert len(prober.asked) == len(lost) + 1
    assert len({request.headers["opc-retry-token"] for request in prober.asked}) == 1
    assert len(prober.editor.patches) == 1


async def test_an_edit_of_an_old_version_is_refused(prober: Prober) -> None:
    client = prober.lb
    etag = (await ask(client.get_backend, "lb", "web", IPV6)).headers["etag"]
    assert (await ask(client.update_health_checker, details(), "lb", "web", if_match=etag)).status
    update = client.update_health_checker
    error = await error_of(update, details(retries=9), "lb", "web", if_match=etag)
    assert (error.status, error.code) == (412, "NoEtagMatch")


async def test_errors_reach_the_client_with_their_words(prober: Prober) -> None:
    error = await error_of(prober.lb.get_load_balancer, "nothing", opc_request_id="mine")
    assert (error.status, error.code) == (404, "NotAuthorizedOrNotFound")
    assert error.message == "there is no load balancer 'nothing'"
    assert error.request_id == "mine"
    assert not isinstance(error, oci.exceptions.TransientServiceError)
    update = prober.lb.update_health_checker
    error = await error_of(update, details(interval_in_millis=5), "lb", "web")
    assert (error.status, error.code) == (400, "InvalidParameter")
    assert error.message == (
        "intervalInMillis: expected a whole number from 1000 to 1800000, got 5"
    )
    partly = lb.models.UpdateHealthCheckerDetails(protocol="TCP")
    error = await error_of(update, partly, "lb", "web")
    assert (error.status, error.code) == (400, "MissingParameter")
    prober.editor.locked = "edits are off"
    error = await error_of(update, details(), "lb", "web")
    assert (error.status, error.code, error.message) == (403, "NotAuthorized", "edits are off")
    error = await error_of(prober.lb.list_listener_rules, "lb", "x")
    assert (error.status, error.code) == (404, "NotFound")


async def test_a_stranger_is_refused(prober: Prober) -> None:
    stranger = prober.client(lb.LoadBalancerClient, new_key())
    error = await error_of(stranger.get_load_balancer, "lb")
    assert (error.status, error.code) == (401, "NotAuthenticated")
    assert error.message == "the signature does not match this request and key"
    assert prober.asked == []
