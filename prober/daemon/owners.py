"""Asks the owner of a check for what only it has: the last results of the check."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout

from prober.model.file_kinds import Secret
from prober.state.check_state import Key
from prober.web.server.services import FROM_MEMBER

LIMIT = 2.0
"""Seconds for an answer of another member."""
MOST_BYTES = 1 << 20
"""Bytes of an answer that are read at most."""


class Owners:
    """The APIs of other members.

    Args:
        me: The name of this member.
        token: What to show them; None: nothing.
    """

    def __init__(self, me: str, token: Secret | None) -> None:
        self._headers = {FROM_MEMBER: me}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.content}"
        self._session: ClientSession | None = None

    async def check(self, url: str, key: Key) -> Mapping[str, Any] | None:
        """Return what the member at this URL answers about a check; None: no good answer."""
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=LIMIT))
        monitor, backend = (quote(part, safe="") for part in key)
        path = f"{url}/api/v1/checks/{monitor}/{backend}"
        try:
            async with self._session.get(
                path, headers=self._headers, allow_redirects=False
            ) as answer:
                body = await answer.content.read(MOST_BYTES)
                found = json.loads(body) if answer.status == 200 else None
        except (TimeoutError, ClientError, OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "recent" in found else None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
