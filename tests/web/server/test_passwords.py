"""Passwords and bcrypt: what an attacker could learn from time, or use up."""

import asyncio
import threading

import pytest

from prober.web.server import passwords
from prober.web.server.passwords import MOST_WAITING, Passwords, TooManyLoginsError

USERS = {"anna": "hash of anna", "bob": "hash of bob"}


class Bcrypt:
    """Stands in for bcrypt: notes what it compares, one at a time, when it is let."""

    def __init__(self) -> None:
        self.compared: list[tuple[bytes, str]] = []
        self.at_once = self.most_at_once = 0
        self.let = threading.Semaphore(0)

    def __call__(self, password: bytes, hashed: str) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.let.acquire()
        self.compared.append((password, hashed))
        self.at_once -= 1
        return hashed == f"hash of {password.decode()}"


@pytest.fixture
def bcrypt(monkeypatch: pytest.MonkeyPatch) -> Bcrypt:
    found = Bcrypt()
    monkeypatch.setattr(passwords, "_matches", found)
    return found


async def test_an_unknown_user_costs_what_a_known_one_does(bcrypt: Bcrypt) -> None:
    bcrypt.let.release(3)
    known = Passwords(USERS)
    assert not await known.match("anna", b"wrong")
    assert not await known.match("nobody", b"wrong")
    assert not await known.match("nobody", b"anna")  # the hash that stands in is not a way in
    assert len(bcrypt.compared) == 3


async def test_a_right_password_is_compared_once_and_a_wrong_one_each_time(bcrypt: Bcrypt) -> None:
    bcrypt.let.release(3)
    known = Passwords(USERS)
    assert [await known.match("anna", b"anna") for _ in range(5)] == [True] * 5
    assert [await known.match("anna", b"bob") for _ in range(2)] == [False] * 2
    assert len(bcrypt.compared) == 3


async def test_many_logins_are_compared_one_at_a_time_and_do_not_pile_up(bcrypt: Bcrypt) -> None:
    known = Passwords(USERS)
    waiting = [
        asyncio.create_task(known.match("anna", f"wrong-{number}".encode()))
        for number in range(MOST_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyLoginsError):
        await known.match("bob", b"bob")
    bcrypt.let.release(MOST_WAITING + 1)
    assert await asyncio.gather(*waiting) == [False] * MOST_WAITING
    assert bcrypt.most_at_once == 1
    assert await known.match("bob", b"bob")


async def test_a_client_that_gives_up_waiting_makes_room(bcrypt: Bcrypt) -> None:
    known = Passwords(USERS)
    tasks = [asyncio.create_task(known.match("anna", b"x")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    for task in tasks[1:]:
        task.cancel()
    await asyncio.wait(tasks[1:])
    bcrypt.let.release(2)
    assert await known.match("bob", b"bob")
    assert not await tasks[0]


async def test_a_remembered_password_does_not_wait(bcrypt: Bcrypt) -> None:
    known = Passwords(USERS)
    bcrypt.let.release()
    assert await known.match("bob", b"bob")
    tasks = [asyncio.create_task(known.match("anna", b"x")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    assert await known.match("bob", b"bob")
    bcrypt.let.release(MOST_WAITING)
    await asyncio.gather(*tasks)
