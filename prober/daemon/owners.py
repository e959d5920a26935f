"""Asks the other members of a cluster for what only they have: the last results and the history."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout

from prober.model.file_kinds import Secret
from prober.state.check_state import Key
from prober.state.shared_past import SharedPast, read_past
from prober.state.shared_store import SharedStore
from prober.state.slots import Slot
from prober.web.server.services import FROM_MEMBER

LIMIT = 2.0
"""Maximum seconds to wait for an answer of another member."""
MOST_BYTES = 8 << 20
"""Maximum bytes of an answer."""
FRESH = 1.0
"""Seconds until the last results of a check are asked for again."""
REST = 10.0
"""Seconds for which pages do not ask a member that has not answered."""
_MANY = 1000  # checks for which the time of the last request is kept


class Owners:
    """The APIs of other members.

    Args:
        me: The name of this member.
        token: The token for their APIs; None: without authentication.
        store: The checks, and who probes them.
        urls: Returns the URLs of the other live members, by name.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        me: str,
        token: Secret | None,
        store: SharedStore,
        *,
        urls: Callable[[], Mapping[str, str]],
        clock: Callable[[], float],
    ) -> None:
        self._headers = {FROM_MEMBER: me}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.content}"
        self._store = store
        self._urls = urls
        self._clock = clock
        self._session: ClientSession | None = None
        self._asked: dict[Key, float] = {}
        self._silent: dict[str, float] = {}  # members that have not answered, and until when

    async def answer(self, key: Key) -> Mapping[str, Any] | None:
        """Return what the API of a check's owner says of it; None: it cannot be reached."""
        url = self._url_of(key)
        found = await self._ask("GET", url) if url else None
        return found if isinstance(found, dict) and "recent" in found else None

    async def probe(self, key: Key, seconds: float) -> tuple[int, Any] | None:
        """Have its owner probe a check; return status and JSON of the answer, None without one."""
        url = self._url_of(key)
        return await self._answer("POST", f"{url}/probe", None, LIMIT + seconds) if url else None

    def _url_of(self, key: Key) -> str | None:
        """Return the URL of a check at its owner; None if the owner is not known."""
        url = self._urls().get(self._store.prober_of(key) or "")
        monitor, backend = (quote(part, safe="") for part in key)
        return f"{url}/api/v1/checks/{monitor}/{backend}" if url else None

    async def refresh(self, keys: Iterable[Key]) -> None:
        """Bring the last results of these checks up to date where other members probe them."""
        now, urls = self._clock(), self._answering()
        if len(self._asked) > _MANY:
            self._asked = {key: at for key, at in self._asked.items() if now - at < FRESH}
        wanted: dict[str, list[Key]] = {}
        for key in keys:
            url = urls.get(self._store.prober_of(key) or "")
            if url is not None and now - self._asked.get(key, now - FRESH) >= FRESH:
                wanted.setdefault(url, []).append(key)
                self._asked[key] = now
        await asyncio.gather(*(self._refresh(url, found) for url, found in wanted.items()))

    def _answering(self) -> dict[str, str]:
        """Return the URLs of the other members, without those that have not answered."""
        now, urls = self._clock(), self._urls()
        return {name: url for name, url in urls.items() if self._silent.get(url, now) <= now}

    async def _refresh(self, url: str, keys: Sequence[Key]) -> None:
        for key, past in zip(keys, await self._pasts(url, keys), strict=False):
            if past is not None:
                self._store.show_past(key, past)
                await asyncio.sleep(0)

    async def slots(self, key: Key, times: range) -> list[Sequence[Slot]]:
        """Return what each other member has recorded of a check or a pool."""
        asked = (self._pasts(url, [key], times) for url in self._answering().values())
        found = [past for pasts in await asyncio.gather(*asked) for past in pasts]
        return [past.slots for past in found if past is not None]

    async def _pasts(
        self, url: str, keys: Sequence[Key], times: range | None = None
    ) -> list[SharedPast | None]:
        """Return what a member has recorded; None for a check that it does not know."""
        body: dict[str, Any] = {"checks": keys}
        if times is not None:
            body["slots"] = [times.start, times.stop, times.step]
        found = await self._ask("POST", f"{url}/api/v1/cluster/past", body)
        if found is None:
            self._silent[url] = self._clock() + REST
            return []
        self._silent.pop(url, None)
        try:
            return [None if each is None else read_past(each) for each in found["pasts"]]
        except (ValueError, TypeError, KeyError):
            return []

    async def _ask(self, method: str, url: str, body: object = None) -> Any:
        """Return the JSON of a good answer, or None."""
        answer = await self._answer(method, url, body, LIMIT)
        return answer[1] if answer and answer[0] == 200 else None

    async def _answer(
        self, method: str, url: str, body: object, seconds: float
    ) -> tuple[int, Any] | None:
        """Return status and JSON of an answer; None if it is late, or not JSON."""
        if self._session is None:
            self._session = ClientSession()
        how: dict[str, Any] = {"headers": self._headers, "allow_redirects": False}
        time = ClientTimeout(total=seconds)
        try:
            async with self._session.request(method, url, json=body, timeout=time, **how) as answer:
                return answer.status, json.loads(await answer.content.read(MOST_BYTES))
        except (TimeoutError, ClientError, OSError, ValueError, RecursionError):
            return None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
