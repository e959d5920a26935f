"""What a TLS server chooses: whether the key exchange takes long.

Over finite fields it takes a client 6 ms for 2,048 bits and 260 ms for 8,192; over curves, 1 ms.

Sources: RFC 5246, section 7.4; RFC 8446, section 4.1; RFC 7919.
"""

from typing import Final

_HANDSHAKE, _SERVER_HELLO = 22, 2
_RANDOM_AT, _SESSION_ID_AT = 11, 43  # in the first record, whose head has 5 bytes
_RETRY: Final = bytes.fromhex(  # the random of a HelloRetryRequest: RFC 8446, section 4.1.3
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
_DHE: Final = frozenset(  # cipher suites up to TLS 1.2 that begin with TLS_DH, and a few neighbours
    number
    for first, last in (
        *((0x0B, 0x1B), (0x30, 0x34), (0x36, 0x3A), (0x3E, 0x40), (0x42, 0x46), (0x67, 0x6D)),
        *((0x85, 0x89), (0x97, 0x9B), (0x9E, 0xA7), (0xAA, 0xAB), (0xBB, 0xBF), (0xC1, 0xC5)),
        *((0xC09E, 0xC0A3), (0xCCAA, 0xCCAA), (0xCCAD, 0xCCAD)),
    )
    for number in range(first, last + 1)
)


def takes_long(content: bytes) -> bool | None:
    """Return whether the key exchange takes long; None as long as that cannot be told.

    `content` is what a server has sent from the beginning. One that begins strangely may hide what
    it chooses, and one that asks for another group mostly asks for a slow one: both take long.
    """
    if len(content) < 9:
        return None
    size = int.from_bytes(content[3:5])
    if content[0] != _HANDSHAKE or content[5] != _SERVER_HELLO:
        return True
    if 4 + int.from_bytes(content[6:9]) > size or size < _SESSION_ID_AT + 3:
        return True  # in several records, or no ServerHello
    if len(content) < 5 + size:
        return None
    if content[_RANDOM_AT:_SESSION_ID_AT] == _RETRY:
        return True
    suite_at = _SESSION_ID_AT + 1 + content[_SESSION_ID_AT]
    return int.from_bytes(content[suite_at : suite_at + 2]) in _DHE
