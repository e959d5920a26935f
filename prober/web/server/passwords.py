"""Checks passwords of users against bcrypt hashes, which are slow by design."""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256

REMEMBERED = 256
"""The number of correct passwords that are remembered without asking bcrypt again."""

MOST_WAITING = 16
"""Maximum number of passwords that wait for bcrypt, which may take seconds for each."""
_LONGEST = 72  # bytes: bcrypt ignores the rest


class TooManyLoginsError(Exception):
    """As many passwords wait for bcrypt as may."""


class Passwords:
    """Checks passwords in a thread, one at a time, and remembers correct ones."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def match(self, user: str, password: bytes) -> bool:
        """Return whether the password is right; an unknown user takes as long as a known one.

        Raise `TooManyLoginsError` instead of letting anyone wait behind MOST_WAITING others.
        """
        if not self._users:
            return False
        hashed = self._users.get(user)
        mark = hmac.digest(self._key, repr((user, hashed, password)).encode(), sha256)
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        if self._waiting >= MOST_WAITING:
            raise TooManyLoginsError
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                some = next(iter(self._users.values()))
                matches = await asyncio.to_thread(_matches, password, hashed or some)
        finally:
            self._waiting -= 1
        if hashed is None or not matches:
            return False
        self._right[mark] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True


def _matches(password: bytes, hashed: str) -> bool:
    import bcrypt  # noqa: PLC0415  (an extra)

    if b"\0" in password:
        return False
    return bcrypt.checkpw(password[:_LONGEST], hashed.encode())
