"""One model under all the clouds' APIs, in a daemon that asks each client for its credentials."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.clients.oracle import KEY_ID, sdk_config
from tests.running import PATIENCE, Daemon, daemon, listener

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

os.environ["OCI_SDK_DEFAULT_CIRCUITBREAKER_ENABLED"] = "false"  # read when the SDK is imported
oci: Any = pytest.importorskip("oci", reason="the SDK oci is not installed")
oci_lb: Any = pytest.importorskip("oci.load_balancer")
openstack: Any = pytest.importorskip("openstack", reason="openstacksdk is not installed")
huawei: Any = pytest.importorskip("huaweicloudsdkelb.v3", reason="the SDK is not installed")
huawei_core: Any = pytest.importorskip("huaweicloudsdkcore.auth.credentials")

TOKEN, SECRET = "token-of-the-test", "secret-of-the-test"


class Clouds(NamedTuple):
    """A daemon, what it probes, and the key of Oracle's client."""

    daemon: Daemon
    backend: str
    key: rsa.RSAPrivateKey

    def oracle(self, key: rsa.RSAPrivateKey | None = None) -> Any:
        """Return Oracle's client, which signs with a key."""
        return oci_lb.LoadBalancerClient(
            sdk_config(key or self.key), service_endpoint=self.daemon.url
        )

    def huawei(self, secret: str = SECRET) -> Any:
        """Return Huawei's client, which signs with a secret."""
        credentials = huawei_core.BasicCredentials("AK", secret, "p1")
        builder = huawei.ElbClient.new_builder().with_credentials(credentials)
        return builder.with_endpoint(self.daemon.url).build()

    def octavia(self, token: str = TOKEN) -> Any:
        """Return OpenStack's client, which sends a token."""
        auth = {"endpoint": self.daemon.url, "token": token}
        how = {"auth_type": "admin_token", "auth": auth}
        return openstack.connect(load_yaml_config=False, load_envvars=False, **how)

    def json(self, path: str) -> Any:
        """Ask the native API, with the token."""
        request = Request(self.daemon.url + path, headers={"X-Auth-Token": TOKEN})
        with urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def check(self, monitor: str) -> Any:
        """Return the one check of a monitor, once it is online."""
        waited = threading.Event()
        for _ in range(int(PATIENCE / 0.05)):
            (check,) = self.json(f"/api/v1/checks?monitor={monitor}")["checks"]
            if check["online"]:
                return check
            waited.wait(0.05)
        raise AssertionError(check)


def serve(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "oracle.pem").write_bytes(public)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "secret").write_text(SECRET)
    auth = {
        "tokens": [{"name": "ann", "role": "write", "token": {"file": "token"}}],
        "oracle_keys": [{"key_id": KEY_ID, "role": "write", "public_key": "oracle.pem"}],
        "huawei_keys": [{"access_key": "AK", "role": "write", "secret_key": {"file": "secret"}}],
    }
    with listener(serve=serve) as port:
        backend = f"127.0.0.1:{port}"
        pool = {"load_balancer": "lb-1", "project_id": "p1", "backends": [backend]}
        config = {
            "server": {"writable": True, "auth": auth},
            "pools": [{"name": "web", **pool}, {"name": "steady", **pool}],
            "monitors": [{"name": "steady", "type": "TCP", "pool": "steady", "interval": "200ms"}],
        }
        with daemon(config, tmp_path) as found:
            yield Clouds(found, backend, key)


def test_what_one_client_changes_the_others_see_and_nothing_else_moves(clouds: Clouds) -> None:
    steady = clouds.check("steady")
    option = huawei.CreateHealthMonitorOption(
        pool_id=next(each["id"] for each in clouds.json("/api/v1/pools")["pools"]),
        type="HTTP",
        delay=5,
        timeout=3,
        max_retries=2,
        max_retries_down=4,
        name="front",
        url_path="/x",
        expected_codes="200-204",
    )
    body = huawei.CreateHealthMonitorRequestBody(healthmonitor=option)
    made = clouds.huawei().create_health_monitor(huawei.CreateHealthMonitorRequest(body=body))

    with clouds.octavia() as connection:
        seen = connection.load_balancer.get_health_monitor(made.healthmonitor.id)
        assert (seen.name, seen.delay, seen.max_retries_down) == ("front", 5, 4)
        assert clouds.check("front")["backend"] == clouds.backend

        client = clouds.oracle()
        health = client.get_backend_health("lb-1", "web", clouds.backend).data
        assert (health.status, health.health_check_results[0].health_check_status) == ("OK", "OK")
        before = client.get_health_checker("lb-1", "web")
        details = oci_lb.models.UpdateHealthCheckerDetails(
            protocol="HTTP",
            port=0,
            url_path="/y",
            return_code=200,
            retries=before.data.retries,
            timeout_in_millis=before.data.timeout_in_millis,
            interval_in_millis=7000,
            response_body_regex="",
        )
        etag = before.headers["etag"]
        client.update_health_checker(details, "lb-1", "web", if_match=etag)
        with pytest.raises(oci.exceptions.ServiceError) as stale:
            client.update_health_checker(details, "lb-1", "web", if_match=etag)
        assert stale.value.status == 412

        seen = connection.load_balancer.get_health_monitor(made.healthmonitor.id)
        assert (seen.name, seen.delay, seen.url_path) == ("front", 7, "/y")
        assert (seen.expected_codes, seen.max_retries) == ("200-204", 2), "survived the edit"
        connection.load_balancer.delete_health_monitor(seen.id)

    assert [each["name"] for each in clouds.json("/api/v1/monitors")["monitors"]] == ["steady"]
    now = clouds.check("steady")
    assert (now["since"], now["streak"] > steady["streak"]) == (steady["since"], True)


def test_each_cloud_is_refused_in_its_own_words_without_good_credentials(clouds: Clouds) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(oci.exceptions.ServiceError) as refused:
        clouds.oracle(other).get_load_balancer_health("lb-1")
    assert (refused.value.status, refused.value.code) == (401, "NotAuthenticated")
    with pytest.raises(Exception, match="credentials") as caught:
        clouds.huawei("wrong").list_health_monitors(huawei.ListHealthMonitorsRequest())
    error: Any = caught.value
    assert error.status_code == 401
    with (
        clouds.octavia("wrong") as connection,
        pytest.raises(openstack.exceptions.HttpException) as unknown,
    ):
        list(connection.load_balancer.health_monitors())
    assert unknown.value.status_code == 401
