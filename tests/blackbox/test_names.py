"""What a caller of `GET /probe` names: hosts that can be none, and addresses that are denied."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

from prober.blackbox.names import NotAHostError, check_hostname, check_target
from tests.blackbox.targets import site
from tests.running import Daemon, daemon, listener

MODULES = {
    "http_2xx": {"prober": "http"},
    "tcp": {"prober": "tcp"},
    "tls": {"prober": "tcp", "tcp": {"tls": True}},
    "grpc": {"prober": "grpc"},
}
WRONG = [
    "a\r\nX-Injected: yes",
    "a\nX-Injected: yes",
    "a\rX-Injected: yes",
    "a\r\nContent-Length: 0\r\n\r\nDELETE /admin HTTP/1.1\r\nHost: b",
    *("a\tb", "a b", " a", "a\0b", "\0", "a\x7f", "a\x85b", "a\u2028b", "a%0d%0ab"),
    "ü..b",
    *(".", "..", "a..b", ".a", "-a", "a-", f"{'a' * 64}.b", f"{'a.' * 127}aa", "a" * 4000),
]
ALSO_WRONG_AS_HOST = [
    "ü",
    "a/b",
    "a@b",
    "[::1",
    "::1",
    "a:b",
    "a:1:2",
    "a:123456",
    "[::1%eth0]",
    "",
]
BUGS = {"probe_on_demand_failed", "probe_failed", "request_failed", "internal_error"}
RIGHT = ["a", "shop.example", "shop.example.", "a_b.c", "a:80", "127.0.0.1", "[::1]", "[::1]:8080"]


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("written", ["{}:1", "http://{}:1/", "https://{}/", "http://u:p@{}/"])
def test_a_target_has_a_host_that_can_be_one(name: str, written: str) -> None:
    with pytest.raises(NotAHostError):
        check_target(written.format(name), is_url=True)
    with pytest.raises(NotAHostError):
        check_target(f"{name}:1", is_url=False)


@pytest.mark.parametrize("name", [*WRONG, *ALSO_WRONG_AS_HOST])
def test_a_hostname_is_a_host_perhaps_with_a_port(name: str) -> None:
    with pytest.raises(NotAHostError):
        check_hostname(name)


@pytest.mark.parametrize("name", RIGHT)
def test_what_names_a_host_is_taken(name: str) -> None:
    check_hostname(name)
    check_target(f"http://{name}/", is_url=True)


@pytest.mark.parametrize(
    "target", ["nonsense", "", ":80", "ftp://a/", "http://", "http://[a", "a/b"]
)
def test_what_is_no_target_at_all_is_left_to_the_probe(target: str) -> None:
    check_target(target, is_url=True)
    check_target(target, is_url=False)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "modules.yml").write_text(yaml.safe_dump({"modules": MODULES}))
    rules = {"deny": ["127.0.0.2/32"]}
    with daemon(
        {"server": {"blackbox_modules": "modules.yml", "api_targets": rules}}, tmp_path
    ) as process:
        yield process


def ask(running: Daemon, module: str, target: str, **more: str) -> tuple[int, str]:
    return running.get(f"/probe?{urlencode({'module': module, 'target': target, **more})}")


def test_what_cannot_name_a_host_is_answered_400_and_reaches_nobody(running: Daemon) -> None:
    came: list[object] = []
    with listener(serve=came.append) as port:
        for module in MODULES:
            for name in WRONG:
                status, text = ask(running, module, f"127.0.0.1:{port}", hostname=name)
                assert (status, text.count("\n")) == (400, 1), (module, name)
                assert text.startswith("parameter 'hostname': ")
                if len(name) < 1000:
                    status, text = ask(running, module, f"{name}:{port}")
                    assert (status, text.count("\n")) == (400, 1), (module, name)
                    assert text.startswith("parameter 'target': ")
        assert not came
    assert running.stop() == 0
    assert not {line["event"] for line in running.rest()} & BUGS


@pytest.mark.parametrize("host", [".", ".a", "a..b", f"{'a' * 64}.b", "a%00b", "[::1%25lo]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_to_what_cannot_name_a_host_is_a_failed_probe(
    running: Daemon, scheme: str, host: str
) -> None:
    with site() as port:
        status, text = ask(running, "http_2xx", f"127.0.0.1:{port}/go?to={scheme}://{host}/")
    assert status == 200
    assert "\nprobe_success 0.0\n" in text
    assert running.stop() == 0
    assert not {line["event"] for line in running.rest()} & BUGS


def test_what_api_targets_denies_is_not_probed_on_demand_nor_by_way_of_a_redirect(
    running: Daemon,
) -> None:
    with ExitStack() as stack:
        came: list[object] = []
        denied = stack.enter_context(listener(serve=came.append, host="127.0.0.2"))
        port = stack.enter_context(site())
        own = running.url.rpartition(":")[2].strip("/")
        for target in (
            f"127.0.0.2:{denied}",
            f"127.0.0.1:{port}/go?to=http://127.0.0.2:{denied}/",
            f"127.0.0.1:{own}/-/healthy",
            f"localhost:{own}/-/healthy",
        ):
            status, text = ask(running, "http_2xx", target, debug="true")
            assert status == 200
            assert "\nprobe_success 0.0\n" in text
            assert "not allowed over the API" in text
        assert not came
