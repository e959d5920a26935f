"""The clouds whose APIs can be imported."""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from prober.importing import lbaas_api, oracle_api
from prober.importing.cloud_answers import CloudReading
from prober.importing.draft import Draft


class CloudApi(NamedTuple):
    """One API: what reads it, and how its requests are authenticated.

    `read` takes the URL, the project or compartment, and the draft. `signs` is whose signatures it
    knows: "huawei", "oracle" or none.
    """

    read: Callable[[str, str, Draft], CloudReading]
    signs: str = ""


def _octavia(url: str, _: str, draft: Draft) -> CloudReading:
    return lbaas_api.read(url, "/v2.0/lbaas", draft)


def _huawei(version: str) -> Callable[[str, str, Draft], CloudReading]:
    def read(url: str, project: str, draft: Draft) -> CloudReading:
        return lbaas_api.read(url, f"/{version}/{quote(project, safe='')}/elb", draft)

    return read


def _oracle(api: oracle_api.OracleApi) -> Callable[[str, str, Draft], CloudReading]:
    def read(url: str, compartment: str, draft: Draft) -> CloudReading:
        return oracle_api.read(url, api, compartment, draft)

    return read


CLOUDS: Mapping[str, CloudApi] = {
    "octavia": CloudApi(_octavia),
    "huawei-v2": CloudApi(_huawei("v2"), "huawei"),
    "huawei-v3": CloudApi(_huawei("v3"), "huawei"),
    "oracle-lb": CloudApi(_oracle(oracle_api.LB), "oracle"),
    "oracle-nlb": CloudApi(_oracle(oracle_api.NLB), "oracle"),
}
"""Every API by its name on the command line."""
