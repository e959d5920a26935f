"""What prober cannot do in the same way as blackbox_exporter."""

from prober.model.option import Complaint, Path, Rejected


class Unsupported(str):
    """Why it cannot: the message of a complaint that is no mistake."""

    __slots__ = ()


def unsupported(reason: str, path: Path = ()) -> Rejected:
    """Return the complaint about what cannot be done."""
    return Rejected(Complaint(path, Unsupported(reason)))
