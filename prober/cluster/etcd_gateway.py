"""A client of etcd over its JSON gateway (`/v3/...`), with aiohttp, which prober has anyway.

The other candidate was aetcd 1.0, over gRPC: 23 MB more. Both were tried with the faults that
`tests/cluster/test_etcd_faults.py` causes. aetcd speaks to one endpoint only, does not log in again
when its token has expired, and does not report a watch that etcd cancels for any reason but
compaction, or whose etcd has stopped. This client handles each of them:

- A lease is lost as soon as etcd says so, which it does by a field that is missing.
- A watch that is cancelled raises; etcd itself keeps its connection open. A watch without a message
  for `SILENCE` is opened again, so a dead connection is detected, and each opening begins with a
  read that only a majority of etcd can answer.
- An endpoint that fails is left alone for `REST`, and its watches are closed.
- Every request demands a leader, so an etcd without one says so at once and not after 7 s.

etcd 3.4 grants and renews leases for everybody, with authentication enabled as well: only a read or
a write proves that the user may do something.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from io import BytesIO
from math import ceil

from aiohttp import (
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
)

from prober.cluster.etcd_messages import (
    MOST_BYTES,
    Message,
    NoAuthenticationError,
    StaleTokenError,
    WatchStream,
    answered,
    change_request,
    lease_of,
    put_request,
    revision_of,
    seconds_left,
    snapshot_of,
    text64,
    under,
    watch_request,
)
from prober.cluster.key_store import (
    KeyChanges,
    LeaseLost,
    Snapshot,
    StoreTrouble,
    StoreUnavailable,
    WatchLost,
)

LIMIT = 2.0
"""Maximum seconds for one operation, including all endpoints that it tries."""
CONNECT_LIMIT = 0.8
"""Maximum seconds to connect, so that another endpoint gets a turn within the limit."""
SILENCE = 4.0
"""Seconds without a message after which a watch is opened again."""
REST = 10.0
"""Seconds for which an endpoint that failed is tried last."""
_ELSEWHERE = {StoreTrouble.UNREACHABLE, StoreTrouble.TLS, StoreTrouble.NO_QUORUM}
_CHUNK = 1 << 16
_BUFFER = 1 << 22  # bytes; what has arrived is read at once, and of each key only the latest value


class Endpoints:
    """The URLs of etcd, in the order in which to try them.

    Args:
        urls: At least one.
        clock: A monotonic clock.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float]) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._clock = clock
        self._failed: dict[str, float] = {}
        self.current = self._urls[0]

    def in_turn(self) -> list[str]:
        """Return all: the current one, others that work, then those that failed long ago."""
        now = self._clock()
        for url, since in list(self._failed.items()):
            if now - since >= REST:
                del self._failed[url]
        return sorted(self._urls, key=lambda url: (self._failed.get(url, 0.0), url != self.current))

    def works(self, url: str) -> None:
        """Note that an endpoint has answered; it becomes the current one."""
        self._failed.pop(url, None)
        self.current = url

    def fails(self, url: str) -> None:
        """Note that an endpoint has failed."""
        self._failed[url] = self._clock()


class EtcdGateway:
    """The `KeyStore` in an etcd.

    Args:
        endpoints: Its URLs.
        username: Whom to log in as; None: without authentication.
        password: Returns the password.
        tls: Makes a TLS context with the current certificates; None: the default one.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        username: str | None = None,
        password: Callable[[], str] = str,
        tls: Callable[[], ssl.SSLContext] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = Endpoints(endpoints, clock)
        self._username = username
        self._password = password
        self._token: str | None = None
        self._logging_in = asyncio.Lock()
        self._make_tls = tls
        self._tls: ssl.SSLContext | bool | None = None
        self._session: ClientSession | None = None
        self._streams: dict[ClientResponse, str] = {}

    @property
    def endpoint(self) -> str:
        """The endpoint that answered last."""
        return self._endpoints.current

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # The KeyStore

    async def read(self, prefix: str) -> Snapshot:
        """Return all keys that begin with this prefix."""
        return snapshot_of(await self._ask("kv/range", under(prefix)))

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Write a key, return the revision; raise `LeaseLost` if there is no such lease."""
        return revision_of(await self._ask("kv/put", put_request(key, value, lease)))

    async def delete(self, key: str) -> None:
        """Delete a key, if it exists."""
        await self._ask("kv/deleterange", {"key": text64(key)})

    async def change(
        self,
        expected: Mapping[str, int],
        puts: Mapping[str, bytes],
        deletes: Collection[str] = (),
        lease: int = 0,
    ) -> int | None:
        """Write and delete keys in one transaction; return its revision, or None if refused.

        etcd's default limit is 128 keys in each part.
        """
        request = change_request(expected, puts, deletes, lease)
        message = await self._ask("kv/txn", request, repeatable=False)
        return revision_of(message) if message.get("succeeded") else None

    async def grant(self, ttl: float) -> int:
        """Create a lease that lasts `ttl` seconds, rounded up (etcd: at least 2); return its id."""
        return lease_of(await self._ask("lease/grant", {"TTL": str(ceil(ttl))}))

    async def renew(self, lease: int) -> float:
        """Renew a lease and return the seconds that it has left, or raise `LeaseLost`.

        They count from the request, not from the answer.
        """
        return seconds_left(await self._ask("lease/keepalive", {"ID": str(lease)}), lease)

    async def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; one that does not exist is no error."""
        with suppress(LeaseLost):
            await self._ask("lease/revoke", {"ID": str(lease)})

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[KeyChanges, None]:
        """Yield what changes under a prefix after a revision, in order, without end.

        Raise `WatchLost` and `StoreUnavailable`. After either, read everything again: the data of
        an etcd that was away may have been replaced.
        """
        while True:
            async with self._opened(prefix, after) as response:
                async for changes in _follow(response):
                    after = max(after, changes.revision)
                    yield changes

    # One endpoint after the other

    async def _ask(self, path: str, body: object, *, repeatable: bool = True) -> Message:
        """Post to the first endpoint that answers.

        One that is not repeatable goes to the next endpoint only if the one before did not take it.
        """
        trouble: StoreUnavailable | None = None
        url = self._endpoints.current
        try:
            async with asyncio.timeout(LIMIT):
                for url in self._endpoints.in_turn():
                    try:
                        return await self._post(url, path, body)
                    except StoreUnavailable as error:
                        trouble = _worse(trouble, error)
                        if not _may_go_on(error, repeatable=repeatable):
                            break
        except TimeoutError:
            trouble = _worse(trouble, self._timeout(url))
        assert trouble is not None  # noqa: S101  (for the type checker: there is an endpoint)
        raise trouble from None

    async def _post(self, url: str, path: str, body: object) -> Message:
        """Post to this endpoint as the user, who logs in first, and again if the token is old."""
        with suppress(StaleTokenError):
            return await self._post_with(url, path, body, await self._logged_in(url))
        self._token = None
        return await self._post_with(url, path, body, await self._logged_in(url))

    async def _logged_in(self, url: str) -> str | None:
        if self._username is None:
            return None
        async with self._logging_in:
            if self._token is None:
                login = {"name": self._username, "password": self._password()}
                try:
                    message = await self._post_with(url, "auth/authenticate", login, None)
                    self._token = str(message["token"])
                except NoAuthenticationError:
                    return None
                except KeyError:
                    raise StoreUnavailable(StoreTrouble.BAD_ANSWER, "no token") from None
            return self._token

    async def _post_with(self, url: str, path: str, body: object, token: str | None) -> Message:
        """Post to this endpoint and note whether it works."""
        try:
            async with self._request(url, path, body, token) as response:
                message = answered(response.status, await _whole(response))
        except StoreUnavailable as trouble:
            if trouble.reason in _ELSEWHERE:
                self._leave(url)
            raise
        self._endpoints.works(url)
        return message

    @asynccontextmanager
    async def _request(
        self, url: str, path: str, body: object, token: str | None
    ) -> AsyncIterator[ClientResponse]:
        """Send a request and yield its response; every failure is a `StoreUnavailable`."""
        headers = {"Grpc-Metadata-hasleader": "true"}
        if token is not None:
            headers["Authorization"] = token
        try:
            async with self._opened_session().post(
                f"{url}/v3/{path}",
                data=BytesIO(json.dumps(body).encode()),  # a large body is sent in pieces
                headers=headers,
                ssl=self._tls_context(),
                allow_redirects=False,
            ) as response:
                yield response
        except (ClientError, OSError) as error:  # not the time limit, which cancels
            raise self._unreachable(url, error) from None

    def _unreachable(self, url: str, error: BaseException) -> StoreUnavailable:
        by_tls = isinstance(error, ClientConnectorSSLError | ssl.SSLError)
        if by_tls or isinstance(error.__cause__, ssl.SSLError):
            self._tls = None  # the files may have been renewed meanwhile
            return _Untaken(StoreTrouble.TLS, f"{url}: {error}")
        untaken = isinstance(error, ClientConnectorError | ConnectionTimeoutError)
        kind = _Untaken if untaken else StoreUnavailable
        words = str(error) or type(error).__name__
        return kind(StoreTrouble.UNREACHABLE, f"{url}: {words}")

    def _timeout(self, url: str) -> StoreUnavailable:
        self._leave(url)
        return StoreUnavailable(StoreTrouble.TIMEOUT, f"{url}: no answer in {LIMIT:g} s")

    def _leave(self, url: str) -> None:
        """Leave an endpoint alone for a while, and close its watches."""
        self._endpoints.fails(url)
        for response in [each for each, at in self._streams.items() if at == url]:
            response.close()

    def _opened_session(self) -> ClientSession:
        if self._session is None:
            timeout = ClientTimeout(total=None, sock_connect=CONNECT_LIMIT)
            self._session = ClientSession(
                timeout=timeout, cookie_jar=DummyCookieJar(), read_bufsize=_BUFFER
            )
        return self._session

    def _tls_context(self) -> ssl.SSLContext | bool:
        if self._tls is None:
            self._tls = self._make_tls() if self._make_tls else True
        return self._tls

    # A watch

    @asynccontextmanager
    async def _opened(self, prefix: str, after: int) -> AsyncIterator[ClientResponse]:
        """Open a watch at an endpoint that has a leader and everything up to this revision."""
        counted = {**under(prefix), "count_only": True}
        revision = revision_of(await self._ask("kv/range", counted))
        if revision < after:
            raise WatchLost(f"etcd is at revision {revision}, before {after}: its data is new")
        url = self._endpoints.current
        async with AsyncExitStack() as stack:
            request = self._request(url, "watch", watch_request(prefix, after), self._token)
            try:
                async with asyncio.timeout(LIMIT):
                    response = await stack.enter_async_context(request)
            except TimeoutError:
                raise self._timeout(url) from None
            stack.callback(response.close)
            self._streams[response] = url
            stack.callback(self._streams.pop, response)
            try:
                yield response
            except StaleTokenError:
                self._token = None
                raise


class _Untaken(StoreUnavailable):
    """The endpoint has not taken the request, so that another one may."""


def _may_go_on(trouble: StoreUnavailable, *, repeatable: bool) -> bool:
    """Return whether to ask the next endpoint."""
    if trouble.reason not in _ELSEWHERE:
        return False
    return repeatable or isinstance(trouble, _Untaken) or trouble.detail == "no leader"


def _worse(before: StoreUnavailable | None, now: StoreUnavailable) -> StoreUnavailable:
    """Return which of two failures to report: an endpoint without a leader knows of the others."""
    return before if before and before.reason is StoreTrouble.NO_QUORUM else now


async def _whole(response: ClientResponse) -> bytes:
    parts, size = [], 0
    while part := await response.content.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise StoreUnavailable(StoreTrouble.BAD_ANSWER, "an endless answer")
    return b"".join(parts)


async def _follow(response: ClientResponse) -> AsyncIterator[KeyChanges]:
    """Yield what comes over a watch, until it has been silent for a while."""
    if response.status != 200:
        answered(response.status, await _whole(response))
    stream = WatchStream()
    while True:
        try:
            async with asyncio.timeout(SILENCE if stream.created else LIMIT):
                data = await response.content.readany()
        except TimeoutError:
            if stream.created:
                return
            raise StoreUnavailable(StoreTrouble.TIMEOUT, "no watch was created") from None
        if not data:
            raise StoreUnavailable(StoreTrouble.UNREACHABLE, "the watch broke off")
        for changes in stream.feed(data):
            yield changes
