"""Every parser that is fuzzed."""

from tests.fuzz import files, handshakes, protocols, replies, requests, stored
from tests.fuzz.subject import Subject

SUBJECTS: tuple[Subject, ...] = (
    *protocols.SUBJECTS,
    *replies.SUBJECTS,
    *handshakes.SUBJECTS,
    *files.SUBJECTS,
    *requests.SUBJECTS,
    *stored.SUBJECTS,
)
