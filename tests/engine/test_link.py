"""Whether our own link is down, as the kernel tells; real links go down in tests/faults."""

import os
import socket
from errno import EAFNOSUPPORT

import pytest

from prober.engine.link import GRACE, Links
from prober.engine.resolver import Address

HERE = Address(socket.AF_INET, "127.0.0.1")
ANYWHERE = [HERE, Address(socket.AF_INET6, "::1"), Address(socket.AF_INET, "0.0.0.0")]


@pytest.mark.parametrize("address", ANYWHERE, ids=str)
def test_loopback_is_never_down(address: Address) -> None:
    links = Links()
    assert not links.was_down(address, 0.0)
    assert not links.was_down(address, 1.0)
    links.close()


def test_where_the_kernel_may_not_be_asked_every_link_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> socket.socket:
        raise OSError(EAFNOSUPPORT, os.strerror(EAFNOSUPPORT))

    links = Links()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", refused)
        assert not links.was_down(HERE, 0.0)
    links.close()


def test_what_failed_then_is_still_told_for_a_moment() -> None:
    down = True
    links = Links(lambda *_: down)
    assert links.was_down(HERE, 10.0)
    down = False
    assert links.was_down(HERE, 10.0 + GRACE - 0.1)
    assert not links.was_down(HERE, 10.0 + GRACE)
    assert not links.was_down(HERE, 10.0)  # it is forgotten
