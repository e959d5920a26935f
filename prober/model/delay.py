"""The causes for which a probe starts late."""

from enum import StrEnum
from typing import Self


class Delay(StrEnum):
    """Why a probe starts late; `sentence` is the explanation for people."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Create one row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    CPU = "cpu", "the process gets too little CPU time"
    PLACES = "places", "as many probes are in flight as the descriptor limit allows"
    UDP_PACE = "udp_pace", "too many UDP checks share a host, whose probes are kept apart"
