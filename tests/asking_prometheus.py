"""A Prometheus that runs, asked over its API."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.running import PATIENCE, until

VARIABLES = {
    "$instance": ".*",
    "$pool": ".*",
    "$monitor": ".*",
    "$__rate_interval": "1m",
}
"""The variables of the dashboard, and what is asked in their place."""


class Prometheus:
    """A Prometheus at an address, asked from the network that the calling thread is in."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **query: str) -> Any:
        """Return what the API answers."""
        try:
            address = f"{self._url}/api/v1/{path}?{urlencode(query)}"
            with urlopen(address, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[Any]:
        """Return the samples of an expression, with the dashboard's variables filled in."""
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        result: list[Any] = self.ask("query", query=expression)["result"]
        return result

    def wait_until_ready(self) -> None:
        """Wait until it answers queries."""
        until(self._is_ready)

    def wait_for_samples(self, expression: str) -> None:
        """Wait until an expression gives something."""
        until(lambda: bool(self.query(expression)))

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self._url}/-/ready", timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except HTTPError as error:
            error.close()
        except URLError:  # it does not listen yet
            pass
        return False
