"""A request to `GET /probe`, and its answer."""

from typing import NamedTuple


class ProbeRequest(NamedTuple):
    """The parameters of a request; text that was not given is empty."""

    target: str
    module: str
    hostname: str
    debug: bool
    scrape_timeout: str | None


class ProbeAnswer(NamedTuple):
    """The status code and text of the answer."""

    status: int
    text: str
