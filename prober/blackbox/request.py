"""What `GET /probe` asks for, and what it is answered."""

from typing import NamedTuple


class ProbeRequest(NamedTuple):
    """What is asked for; text that was not given is empty."""

    target: str
    module: str
    hostname: str
    debug: bool
    scrape_timeout: str | None


class ProbeAnswer(NamedTuple):
    """The status of the answer and its text."""

    status: int
    text: str
