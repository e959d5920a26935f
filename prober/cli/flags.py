"""Flags of the command line, each with an environment variable that is read the same way.

A flag takes precedence over its variable, and the variable over the default. An empty variable
counts as not set.
"""

import socket
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from prober.model.probe import Target
    from prober.model.shard import Shard

_YES_OR_NO = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def yes_or_no(text: str) -> bool:
    """Read the environment variable of a switch."""
    if text.lower() not in _YES_OR_NO:
        raise ArgumentTypeError(f"expected one of {', '.join(_YES_OR_NO)}, got {text!r}")
    return _YES_OR_NO[text.lower()]


class Flag(NamedTuple):
    """One flag.

    `read` turns the text into a value or raises ArgumentTypeError; a flag that reads `yes_or_no` is
    a switch. `several` separates multiple values in the variable, if the flag can be repeated.
    """

    name: str
    doc: str
    read: Callable[[str], Any] = str
    metavar: str | None = None
    default: Any = None
    several: str = ""

    @property
    def key(self) -> str:
        """The name of the parsed value in the namespace."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable of the flag."""
        return f"PROBER_{self.key.upper()}"

    def add_to(self, parser: ArgumentParser) -> None:
        """Add the flag to a parser; until `complete`, the value of a flag not given is None."""
        default = "" if self.default in (None, False) else f"default: {self.default}; "
        doc = f"{self.doc} [{default}{self.variable}]".replace("%", "%%")
        name = f"--{self.name}"
        if self.read is yes_or_no:
            has_opposite = not self.name.startswith("without-")
            switch = BooleanOptionalAction if has_opposite else "store_true"
            parser.add_argument(name, action=switch, default=None, help=doc)
            return
        action = "append" if self.several else "store"
        parser.add_argument(name, action=action, type=self.read, metavar=self.metavar, help=doc)

    def without(self, environment: Mapping[str, str]) -> Any:
        """Return the value for a flag that was not given."""
        text = environment.get(self.variable)
        if not text:
            return self.default
        try:
            if self.several:
                parts = (part.strip() for part in text.split(self.several))
                return [self.read(part) for part in parts if part]
            return self.read(text)
        except ArgumentTypeError as error:
            raise ArgumentTypeError(f"environment variable {self.variable}: {error}") from None


def complete(options: Namespace, flags: Sequence[Flag], environment: Mapping[str, str]) -> None:
    """Fill in flags not given on the command line; raise ArgumentTypeError for wrong values."""
    for flag in flags:
        if getattr(options, flag.key) is None:
            setattr(options, flag.key, flag.without(environment))


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader for one word of a closed set."""

    def read(text: str) -> str:
        if text not in words:
            raise ArgumentTypeError(f"expected one of {', '.join(words)}, got {text!r}")
        return text

    return read


def listen_address(text: str) -> "Target":
    """Read HOST:PORT, with an IPv6 address in brackets; port 0 lets the system pick a port."""
    from prober.model.option import Rejected
    from prober.model.pool import parse_listener

    try:
        return parse_listener(text)
    except Rejected as rejected:
        raise ArgumentTypeError(str(rejected)) from None


def shard(text: str) -> "Shard":
    """Read I/N, where I may be `hostname`: the number at the end of this host's name."""
    from prober.model.shard import Shard

    index, slash, count = text.partition("/")
    if index == "hostname":
        name = socket.gethostname()
        index = name[len(name.rstrip("0123456789")) :]
        if not index:
            raise ArgumentTypeError(f"the host's name, {name!r}, does not end with a number")
    digits = all(part.isascii() and part.isdigit() for part in (index, count))
    if not (slash and digits and len(index + count) < 10 and int(count)):
        raise ArgumentTypeError(f"expected I/N such as 0/3, or hostname/3, got {text!r}")
    if int(index) >= int(count):
        raise ArgumentTypeError(
            f"of {count} shards, the last one is {int(count) - 1}, got {text!r}"
        )
    return Shard(int(index), int(count))


def daemon_url(text: str) -> str:
    """Read the URL of a daemon; the default scheme is http."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ArgumentTypeError(f"expected a URL such as http://127.0.0.1:7762, got {text!r}")
    return url.rstrip("/")


def seconds(text: str) -> float:
    """Read a number of seconds, 0.1 to 3600."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.1 <= number <= 3600:
        raise ArgumentTypeError(f"expected seconds from 0.1 to 3600, got {text!r}")
    return number
