"""Posts JSON to a receiver; the HTTP client is imported only if an output needs it."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp import ClientSession

from prober import __version__
from prober.files.bounded import aside

POST_ERRORS = ("connect", "refused", "status", "timeout")
"""Reasons for which a post fails."""

_REPEATED = 200  # characters of an answer in a message
_TOO_MANY, _ERRORS, _SERVER = 429, 400, 500


class PostFailed(Exception):  # noqa: N818  (what happened to the post)
    """A post that failed; a `final` one is not worth a retry.

    `reason` is one of POST_ERRORS.
    """

    def __init__(self, reason: str, detail: str, *, final: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.final = final


class Poster:
    """Posts while the context lasts; each post has the same timeout in seconds.

    `tls` makes the context that verifies servers; None: with the authorities of the system. It is
    called again after a failed connection, because its files may have been renewed.
    """

    def __init__(
        self, *, timeout: float, tls: "Callable[[], SSLContext | None]" = lambda: None
    ) -> None:
        self._timeout = timeout
        self._make_tls = tls
        self._tls: SSLContext | None = None
        self._is_made = False
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the client."""
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415  (only where needed)

        self._session = ClientSession(
            timeout=ClientTimeout(total=self._timeout),
            headers={"User-Agent": f"prober/{__version__}", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def post(
        self,
        url: str,
        body: Any,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send bytes, or a value as JSON; raise `PostFailed` unless it is accepted."""
        from aiohttp import ClientError  # noqa: PLC0415  (only where needed)

        assert self._session is not None  # noqa: S101  (for mypy: it is open)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            if not self._is_made:
                self._tls = await aside(self._make_tls)
                self._is_made = True
            async with self._session.request(
                method,
                url,
                data=content,
                headers=headers,
                allow_redirects=False,
                ssl=self._tls or True,
            ) as response:
                if 200 <= response.status < 300:
                    return
                said = (await response.content.read(_REPEATED)).decode(errors="replace")
        except TimeoutError:
            raise PostFailed("timeout", f"no answer within {self._timeout:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            self._is_made = False
            raise PostFailed("connect", f"{type(error).__name__}: {error}") from None
        status = response.status
        final = status < _SERVER and status != _TOO_MANY
        detail = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        raise PostFailed("refused" if final else "status", detail, final=final)
