"""The same module file, the same targets: what blackbox_exporter says, prober says."""

import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import trustme
import yaml

from tests.blackbox.targets import mail, ping, silent, site
from tests.engine.test_name_servers import BIND, ZONE
from tests.engine.test_real_servers import SEARCHED
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, listener, program

EXPORTER = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
IP4 = {"preferred_ip_protocol": "ip4"}
QUICK = {"timeout": "1s"}
"""For what nobody answers."""
NOT_COMPARED = re.compile(
    r"probe_(?:duration|dns_lookup_time|http_duration|grpc_duration|dns_duration|icmp_duration)_seconds|probe_tls_cipher_info"
    r"|probe_timeout_seconds"
)


def http(**more: object) -> dict[str, object]:
    return {"prober": "http", "timeout": "30s", "http": {**IP4, **more}}


def tcp(*talk: dict[str, object], **more: object) -> dict[str, object]:
    section = {**IP4, "query_response": list(talk), **more}
    return {"prober": "tcp", "timeout": "30s", "tcp": section}


def dns(name: str, kind: str, **more: object) -> dict[str, object]:
    section = {**IP4, "query_name": name, "query_type": kind, **more}
    return {"prober": "dns", "timeout": "30s", "dns": section}


def icmp(family: str = "ip4", **more: object) -> dict[str, object]:
    section = {"preferred_ip_protocol": family, "ip_protocol_fallback": False, **more}
    return {"prober": "icmp", "timeout": "30s", "icmp": section}


def header(name: str, regexp: str, **more: object) -> dict[str, object]:
    return {"header": name, "regexp": regexp, **more}


def modules(folder: str, proxy: int) -> dict[str, object]:
    """Return the modules, which name files in a folder, and the port of a proxy."""
    through = {"proxy_url": f"http://user:pass@127.0.0.1:{proxy}"}
    trusting = {"tls_config": {"ca_file": f"{folder}/ca.pem"}}
    blind = {"tls_config": {"insecure_skip_verify": True}}
    return {
        "http_2xx": http(),
        "http_default": {"prober": "http"},
        "codes": http(valid_status_codes=[404, 302, 304]),
        "no_follow": http(follow_redirects=False),
        "no_follow_302": http(follow_redirects=False, valid_status_codes=[302]),
        "post": http(method="POST", body="a=1"),
        "head": http(method="HEAD"),
        "propfind": http(method="PROPFIND"),
        "quick": {**http(), **QUICK},
        "basic": http(basic_auth={"username": "user", "password": "pass"}),
        "bearer": http(bearer_token="abc"),
        "bearer_file": http(bearer_token_file=f"{folder}/token"),
        "credentials": http(authorization={"credentials": "abc"}),
        "host": http(headers={"Host": "shop.example"}),
        "custom": http(headers={"x-custom": "1"}),
        "ssl_only": http(fail_if_not_ssl=True, **blind),
        "no_ssl": http(fail_if_ssl=True, **blind),
        "blind": http(**blind),
        "trusting": http(**trusting),
        "named": http(tls_config={"ca_file": f"{folder}/ca.pem", "server_name": "shop.example"}),
        "tls13": http(tls_config={"insecure_skip_verify": True, "min_version": "TLS13"}),
        "tls12": http(tls_config={"insecure_skip_verify": True, "max_version": "TLS12"}),
        "http10": http(valid_http_versions=["HTTP/1.0", "HTTP/1.1"]),
        "http11": http(valid_http_versions=["HTTP/1.1", "HTTP/2.0"]),
        "body_bad": http(fail_if_body_matches_regexp=["never", "version [0-9]+"]),
        "body_good": http(fail_if_body_not_matches_regexp=[r"(?m)^version \d\.\d+$", "^hello"]),
        "body_end": http(fail_if_body_not_matches_regexp=["bye$"]),
        "body_none": http(fail_if_body_not_matches_regexp=["goodbye"]),
        "body_none_302": http(
            follow_redirects=False,
            valid_status_codes=[302],
            fail_if_body_not_matches_regexp=["moved"],
        ),
        "header_bad": http(fail_if_header_matches=[header("X-Color", "bl.e")]),
        "header_good": http(fail_if_header_not_matches=[header("x-color", "^blue$")]),
        "header_none": http(fail_if_header_not_matches=[header("X-Nothing", ".")]),
        "header_may": http(
            fail_if_header_not_matches=[header("X-Nothing", ".", allow_missing=True)]
        ),
        "small": http(body_size_limit="10B"),
        "enough": http(body_size_limit="1KB"),
        "proxied": http(**through, **blind),
        "unknown": http(proxy_url=f"http://127.0.0.1:{proxy}", **blind),
        "gzip": http(compression="gzip", fail_if_body_not_matches_regexp=["hello"]),
        "deflate": http(compression="deflate", fail_if_body_not_matches_regexp=["hello"]),
        "tcp_connect": {"prober": "tcp", "timeout": "30s", "tcp": IP4},
        "tcp_tls": tcp(tls=True, **blind),
        "tcp_trusting": tcp(tls=True, **trusting),
        "ping": tcp({"send": "PING"}, {"expect": "^.PONG$"}),
        "ping_pattern": {**tcp({"send": "PING"}, {"expect": "^.PANG$"}), **QUICK},
        "waits": {**tcp({"expect": "anything"}), **QUICK},
        "mail": tcp(
            {"expect": r"^220 (?P<host>[^ ]+) ESMTP$", "send": "EHLO ${1}"},
            {"expect": "^250 STARTTLS"},
            {"send": "STARTTLS"},
            {"expect": "^220", "starttls": True},
            {"send": "EHLO again"},
            {"expect": "^250 all"},
            **blind,
        ),
        "no_mail": {**tcp({"expect": "^220"}, {"send": "EHLO"}, **blind), **QUICK},
        "mail_named": tcp({"expect": r"^220 (?P<host>[^ ]+) ESMTP$", "send": "EHLO $host"}),
        "dns_a": dns("www.example.test", "A"),
        "dns_tcp": dns("www.example.test", "A", transport_protocol="tcp"),
        "dns_any": dns("example.test", "ANY", transport_protocol="tcp"),
        "dns_soa": dns("example.test", "SOA"),
        "dns_version": dns("version.bind", "TXT", query_class="CH"),
        "dns_none": dns("nix.example.test", "A"),
        "dns_none_good": dns("nix.example.test", "A", valid_rcodes=["NXDOMAIN"]),
        "dns_no_soa": dns("nix.example.test", "SOA", valid_rcodes=["NXDOMAIN"]),
        "dns_long": dns("long.example.test", "TXT"),
        "dns_long_tcp": dns("long.example.test", "TXT", transport_protocol="tcp"),
        "dns_tls_udp": dns("www.example.test", "A", dns_over_tls=True),
        "dns_quick": {**dns("www.example.test", "A"), **QUICK},
        **{
            f"dns_{rule}_{number}": dns(
                "example.test", "MX", validate_answer_rrs={f"fail_if_{rule}": [pattern]}
            )
            for rule in (
                "matches_regexp",
                "all_match_regexp",
                "not_matches_regexp",
                "none_matches_regexp",
            )
            for number, pattern in enumerate(
                (
                    r"^example\.test\.\t60\tIN\tMX\t\d+ mail\d\.example\.test\.$",
                    "mail1",
                    "mail3",
                )
            )
        },
        "dns_authority": dns(
            "nix.example.test",
            "A",
            valid_rcodes=["NXDOMAIN"],
            validate_authority_rrs={"fail_if_not_matches_regexp": [r"SOA\tns.*2026120101"]},
        ),
        "dns_nothing": dns(
            "www.example.test",
            "MX",
            validate_answer_rrs={"fail_if_not_matches_regexp": [".*"]},
            validate_additional_rrs={"fail_if_matches_regexp": [".*"]},
        ),
        "icmp": icmp(),
        "icmp6": icmp("ip6"),
        "icmp_long": icmp(payload_size=3000, ttl=3),
        "icmp_whole": icmp(payload_size=1472, dont_fragment=True),
        "icmp_default": {"prober": "icmp"},
        "icmp_from": icmp(source_ip_address="127.0.0.9"),
        "icmp_from_elsewhere": icmp(source_ip_address="203.0.113.9"),
        "tcp_from": tcp(source_ip_address="127.0.0.9"),
        "dns_from": dns("www.example.test", "A", source_ip_address="127.0.0.9"),
        "grpc": {"prober": "grpc", "timeout": "30s", "grpc": IP4},
        "grpc_down": {"prober": "grpc", "timeout": "30s", "grpc": {**IP4, "service": "down"}},
        "grpc_unknown": {"prober": "grpc", "timeout": "30s", "grpc": {**IP4, "service": "nix"}},
        "grpc_quick": {"prober": "grpc", **QUICK, "grpc": IP4},
        "grpc_tls": {"prober": "grpc", "timeout": "30s", "grpc": {**IP4, "tls": True, **blind}},
    }


CASES = """
http_2xx {http}/                     http_2xx {http}/missing          http_2xx {http}/broken
http_2xx {http}/empty                http_2xx {http}/chunked          http_2xx {http}/unmeasured
http_2xx {http}/truncated            http_2xx {http}/truncated-chunk  http_2xx {http}/no-http
http_2xx {http}/big                  http_2xx {http}/redirect         http_2xx {http}/relative
http_2xx {http}/loop                 http_2xx {http}/nowhere          http_2xx {http}/strange-scheme
http_2xx {http}/refused              http_2xx {http}/cookie           http_2xx {http}/needs-cookie
http_2xx {http}/ok?a=b&c=d           http_2xx http://{http}/ok        http_2xx http://127.0.0.1:1/
http_2xx http://user:pass@{http}/basic                                http_2xx http://[::1/
http_default localhost:{http_port}   http_2xx localhost:{http_port}/  http_2xx nix.invalid
codes {http}/missing                 codes {http}/ok                  codes {http}/not-modified
codes {http}/nowhere                 no_follow {http}/redirect        no_follow {http}/ok
no_follow_302 {http}/redirect        body_none_302 {http}/redirect    no_follow_302 {http}/ok
post {http}/was-post                 post {http}/see-other            post {http}/temporary
post {http}/redirect                 head {http}/ok
head {http}/redirect                 head {http}/chunked              propfind {http}/propfind
quick {http}/silent                  quick {http}/half                quick {http}/ok
basic {http}/basic                   http_2xx {http}/basic            bearer {http}/bearer
bearer_file {http}/bearer            credentials {http}/bearer        basic {http}/bearer
host {http}/host                     http_2xx {http}/host             custom {http}/custom
ssl_only {http}/ok                   ssl_only https://{https}/ok      no_ssl {http}/ok
no_ssl https://{https}/ok            blind https://{https}/ok         http_2xx https://{https}/ok
trusting https://{https}/ok          trusting https://localhost:{https_port}/ok
trusting https://{misnamed}/ok       trusting https://{nameless}/ok   blind https://{nameless}/ok
named https://{misnamed}/ok          tls13 https://{tls12}/ok         tls13 https://{https}/ok
tls12 https://{tls12}/ok             tls12 https://{https}/ok
blind https://{short}/ok             tcp_tls {short}
blind https://{tls12}/ok             blind http://{https}/ok          blind https://{http}/ok
blind https://{https}/redirect       http10 {http}/unmeasured         http10 {http}/ok
http11 {http}/ok                     http11 {http}/unmeasured
body_bad {http}/ok                   body_bad {http}/chunked          body_good {http}/ok
body_good {http}/chunked             body_end {http}/ok               body_none {http}/ok
body_none {http}/missing             body_bad {http}/redirect         body_good {http}/redirect
header_bad {http}/ok                 header_bad {http}/empty          header_good {http}/ok
header_good {http}/empty             header_none {http}/ok            header_may {http}/ok
small {http}/ok                      enough {http}/ok                 small {http}/empty
gzip {http}/gzip                     gzip {http}/ok                   gzip {http}/missing
deflate {http}/deflate               http_2xx {http}/gzip
tcp_connect {http}                   tcp_connect 127.0.0.1:1          tcp_connect nonsense
tcp_connect localhost:{http_port}    tcp_connect http://{http}/       tcp_connect nix.invalid:80
tcp_tls {https}                      tcp_trusting {https}             tcp_trusting {misnamed}
tcp_tls {http}                       ping {ping}                      ping_pattern {ping}
waits {silent}                       waits {ping}                     mail {mail}
mail_named {mail}                    no_mail {ping}
grpc {grpc}                          grpc_down {grpc}                 grpc_unknown {grpc}
grpc {bare}                          grpc 127.0.0.1:1                 grpc_tls {grpc_tls}
grpc_tls {grpc}                      grpc nix.invalid:1
dns_a {dns}         dns_tcp {dns}          dns_any {dns}         dns_soa {dns}
dns_version {dns}   dns_none {dns}         dns_none_good {dns}   dns_no_soa {dns}
dns_long {dns}      dns_long_tcp {dns}     dns_tls_udp {dns}     dns_quick {ping}
dns_a nix.invalid   dns_tcp {ping}         dns_a 127.0.0.1:1     dns_a {http}
dns_matches_regexp_0 {dns}                 dns_matches_regexp_1 {dns}
dns_matches_regexp_2 {dns}                 dns_all_match_regexp_0 {dns}
dns_all_match_regexp_1 {dns}               dns_all_match_regexp_2 {dns}
dns_not_matches_regexp_0 {dns}             dns_not_matches_regexp_1 {dns}
dns_not_matches_regexp_2 {dns}             dns_none_matches_regexp_0 {dns}
dns_none_matches_regexp_1 {dns}            dns_none_matches_regexp_2 {dns}
dns_authority {dns}                        dns_nothing {dns}
icmp 127.0.0.1      icmp 127.0.0.9         icmp localhost        icmp nix.invalid
icmp6 ::1           icmp6 127.0.0.1        icmp ::1              icmp_long 127.0.0.1
icmp_from 127.0.0.1  icmp_from_elsewhere 127.0.0.1  tcp_from {http}  dns_from {dns}
icmp_whole 127.0.0.1                       icmp_default ::1      icmp_default 127.0.0.1
"""
PAIRS = re.findall(r"(\w+) (\S+)", CASES)


class Both(NamedTuple):
    """The two programs, and where the targets are."""

    exporter: str
    prober: Daemon
    places: dict[str, str]
    proxy: int

    def ask(self, module: str, target: str, **more: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the gauges of both."""
        asked = urlencode({"module": module, "target": target.format(**self.places), **more})
        return gauges(f"{self.exporter}/probe?{asked}"), gauges(f"{self.prober.url}/probe?{asked}")


def fetch(url: str, **headers: str) -> tuple[int, str]:
    request = Request(url, headers={name.replace("_", "-"): v for name, v in headers.items()})
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def gauges(url: str) -> dict[str, str]:
    """Return the samples of an answer that do not depend on time or on the exporter's age."""
    for _ in range(20):
        status, text = fetch(url)
        if status != 503 or "prober itself was paused" not in text:
            break  # else the machine is so busy that prober says nothing of the target
    assert status == 200, text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    samples = dict(line.rsplit(" ", 1) for line in lines)
    return {
        re.sub(r'serialnumber="[^"]*",', "", name): str(float(value))
        for name, value in samples.items()
        if not NOT_COMPARED.match(name)
    }


def server_context(certificate: trustme.LeafCert, **more: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in more.items():
        setattr(context, name, value)
    return context


pytestmark = pytest.mark.xdist_group("side_by_side")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blackbox")


@pytest.fixture(scope="module")
def both(folder: Path) -> Iterator[Both]:
    """Run both programs on one file of modules, beside targets of every sort."""
    if EXPORTER is None:
        pytest.skip("prometheus-blackbox-exporter is not installed")
    with ExitStack() as stack:
        places = targets(folder, stack)
        (folder / "token").write_text("abc\n")
        proxy = free_port()
        (folder / "modules.yml").write_text(
            yaml.safe_dump({"modules": modules(str(folder), proxy)})
        )
        port = free_port()
        command = [EXPORTER, "--config.file", str(folder / "modules.yml")]
        address = f"127.0.0.1:{port}"
        stack.enter_context(program(*command, "--web.listen-address", address, port=port))
        config = {"server": {"blackbox_modules": "modules.yml"}}
        running = stack.enter_context(daemon(config, folder))
        yield Both(f"http://{address}", running, places, proxy)
        running.stop()  # so that its coverage is written


def targets(folder: Path, stack: ExitStack) -> dict[str, str]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert("localhost", "127.0.0.1", organization_name='A, "B" & Söhne')
    good = server_context(leaf)
    misnamed = server_context(authority.issue_cert("shop.example"))
    old = server_context(leaf, maximum_version=ssl.TLSVersion.TLSv1_2)
    pem = folder / "server.pem"
    pem.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    command = [sys.executable, "-m", "tests.engine.grpc_target", str(pem)]
    grpc = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    stack.callback(grpc.kill)
    assert grpc.stdout is not None
    ports = json.loads(grpc.stdout.readline())
    sites = {
        "http": None,
        "https": good,
        "misnamed": misnamed,
        "nameless": nameless(folder),
        "tls12": old,
        "short": ending_early(leaf, authority, folder),
    }
    found = {name: stack.enter_context(site(context)) for name, context in sites.items()}
    found |= {"grpc": ports["clear"], "grpc_tls": ports["tls"], "bare": ports["bare"]}
    talkers = {"mail": mail(good), "ping": ping, "silent": silent}
    found |= {name: stack.enter_context(listener(serve=script)) for name, script in talkers.items()}
    places = {name: f"127.0.0.1:{port}" for name, port in found.items()}
    places["dns"] = f"127.0.0.1:{name_server(folder, stack)}"
    return {**places, **{f"{name}_port": str(port) for name, port in found.items()}}


def name_server(folder: Path, stack: ExitStack) -> int:
    """Run BIND, if it is there; return the port."""
    path, port = shutil.which("named", path=SEARCHED), free_port()
    if path is not None:
        (folder / "zone").write_text(ZONE)
        config = folder / "named.conf"
        pem = folder / "server.pem"
        config.write_text(BIND.format(folder=folder, port=port, tls=free_port(), pem=pem))
        command = (path, "-f", "-c", str(config), "-n", "1")
        stack.enter_context(program(*command, port=port))
    return port


def ending_early(leaf: trustme.LeafCert, authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    """Return the context of a server that shows a second certificate, which ends tomorrow."""
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    other = authority.issue_cert("other", not_after=tomorrow)
    file = folder / "short.pem"
    shown = leaf.cert_chain_pems[0].bytes() + other.cert_chain_pems[0].bytes()
    file.write_bytes(leaf.private_key_pem.bytes() + shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def nameless(folder: Path) -> ssl.SSLContext:
    """Return the context of a server whose certificate has a CN only, and an odd subject."""
    key, certificate = folder / "nameless.key", folder / "nameless.pem"
    subject = "/C=DE/O=One/O=Two/emailAddress=a@example.com/CN=127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3"]
    names = ["-subj", subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(("module", "target"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_both_say_the_same_of_a_target(both: Both, module: str, target: str) -> None:
    exporter, prober = both.ask(module, target)
    assert prober == exporter


def test_verdicts_of_both_sorts_were_compared(both: Both) -> None:
    verdicts = [both.ask(*pair)[0]["probe_success"] for pair in PAIRS[::7]]
    assert set(verdicts) == {"0.0", "1.0"}


def test_the_name_of_a_host_can_be_given_with_the_target(both: Both) -> None:
    exporter, prober = both.ask("http_2xx", "{http}/host", hostname="shop.example")
    assert prober == exporter
    assert prober["probe_success"] == "1.0"


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("module=http_2xx", "", 400),
        ("module=nix&target=x", "", 400),
        ("module=host&target=x&hostname=other.example", "", 400),
        ("module=http_2xx&target=x", "soon", 500),
    ],
)
def test_both_refuse_what_cannot_be_asked(both: Both, query: str, header: str, status: int) -> None:
    headers = {"X_Prometheus_Scrape_Timeout_Seconds": header} if header else {}
    for url in (both.exporter, both.prober.url):
        assert fetch(f"{url}/probe?{query}", **headers)[0] == status


def test_help_texts_and_types_are_the_same(both: Both) -> None:
    def heads(url: str) -> set[str]:
        asked = urlencode({"module": "blind", "target": f"https://{both.places['https']}/ok"})
        text = fetch(f"{url}/probe?{asked}")[1]
        return {line for line in text.splitlines() if line.startswith("#")}

    assert heads(both.prober.url) == heads(both.exporter)


VERIFIED = {"verify": True, "ca_file": "ca.pem"}
MONITORS: list[tuple[str, str, dict[str, object], str, str]] = [
    ("HTTP", "{http}", {"url_path": "/ok"}, "http_2xx", "{http}/ok"),
    ("HTTP", "{http}", {"url_path": "/missing"}, "http_2xx", "{http}/missing"),
    ("HTTP", "{silent}", {"timeout": "1s"}, "quick", "{silent}"),
    ("HTTP", "127.0.0.1:1", {}, "http_2xx", "http://127.0.0.1:1/"),
    ("HTTPS", "{https}", {"url_path": "/ok"}, "blind", "https://{https}/ok"),
    ("HTTPS", "{https}", {"url_path": "/missing"}, "blind", "https://{https}/missing"),
    ("HTTPS", "{short}", {"url_path": "/ok"}, "blind", "https://{short}/ok"),
    ("HTTPS", "{misnamed}", {"tls": VERIFIED}, "trusting", "https://{misnamed}/ok"),
    ("HTTPS", "{http}", {}, "blind", "https://{http}/ok"),
    ("TLS", "{https}", {}, "tcp_tls", "{https}"),
    ("TLS", "{short}", {}, "tcp_tls", "{short}"),
    ("TLS", "{misnamed}", {"tls": VERIFIED}, "tcp_trusting", "{misnamed}"),
    ("TCP", "{http}", {}, "tcp_connect", "{http}"),
    ("TCP", "127.0.0.1:1", {}, "tcp_connect", "127.0.0.1:1"),
    ("GRPC", "{grpc}", {}, "grpc", "{grpc}"),
    ("GRPC", "{grpc}", {"service": "down"}, "grpc_down", "{grpc}"),
    ("GRPC", "{grpc}", {"service": "nix"}, "grpc_unknown", "{grpc}"),
    ("GRPC", "{bare}", {}, "grpc", "{bare}"),
    ("GRPC", "{grpc_tls}", {"tls": {}}, "grpc_tls", "{grpc_tls}"),
    ("GRPC", "127.0.0.1:1", {}, "grpc", "127.0.0.1:1"),
    ("GRPC", "{silent}", {"timeout": "1s"}, "grpc_quick", "{silent}"),
    ("GRPC", "{http}", {}, "grpc", "{http}"),
    ("DNS", "{dns}", {"query_name": "www.example.test"}, "dns_a", "{dns}"),
    ("DNS", "{dns}", {"query_name": "nix.example.test"}, "dns_none", "{dns}"),
    ("DNS", "{dns}", {"query_name": "example.test", "query_type": "SOA"}, "dns_soa", "{dns}"),
]
"""Types, targets and options of monitors, and the modules and targets that ask the same."""
SHARED = (
    "probe_success",
    "probe_http_status_code",
    "probe_grpc_status_code",
    "probe_ssl_earliest_cert_expiry",
)


def test_a_metric_of_a_monitor_means_what_it_means_to_the_exporter(
    both: Both, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    monitors: list[dict[str, object]] = [
        {
            "name": f"m{number}",
            "type": kind,
            "targets": [target.format(**both.places)],
            "timeout": "30s",
            "interval": "1s",
            **options,
        }
        for number, (kind, target, options, *_) in enumerate(MONITORS)
    ]
    with daemon({"monitors": monitors}, tmp_path, "--log-level", "debug") as running:
        for each in monitors:
            running.wait_for_any("probed", monitor=each["name"])
        text = running.get("/metrics")[1]
    found = re.findall(r'^(probe_\w+)\{.*monitor="(m\d+)".*\} (\S+)$', text, re.MULTILINE)
    samples = {(name, monitor): float(value) for name, monitor, value in found}
    for number, (kind, _, options, module, target) in enumerate(MONITORS):
        exporter, _ = both.ask(module, target)
        for name in SHARED:
            if name == SHARED[-1] and kind == "GRPC" and "tls" not in options:
                continue  # the exporter says 0 where no TLS is spoken, as if one had expired
            own = samples.get((name, f"m{number}"))
            assert (None if own is None else str(own)) == exporter.get(name), (target, name)


PROXIED = """
proxied {http}/                      proxied {http}/missing           proxied {http}/redirect
proxied https://{https}/ok           proxied https://{https}/redirect proxied https://{http}/ok
proxied http://127.0.0.1:1/          proxied https://127.0.0.1:1/     unknown {http}/
unknown https://{https}/ok
"""


def test_they_say_the_same_through_a_proxy(both: Both, tmp_path: Path) -> None:
    path = shutil.which("tinyproxy", path=SEARCHED) or pytest.skip("tinyproxy is not installed")
    config = tmp_path / "tinyproxy.conf"
    lines = (f"Port {both.proxy}", "Listen 127.0.0.1", "BasicAuth user pass", "")
    config.write_text("\n".join(lines))
    with program(path, "-d", "-c", str(config), port=both.proxy):
        for module, target in re.findall(r"(\w+) (\S+)", PROXIED):
            exporters, probers = both.ask(module, target)
            assert probers == exporters, (module, target)
