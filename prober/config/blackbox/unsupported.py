"""Settings of blackbox_exporter that prober does not support."""

from prober.model.option import Complaint, Path, Rejected


class Unsupported(str):
    """The reason for refusing a setting: the message of a complaint that is not a mistake."""

    __slots__ = ()


def unsupported(reason: str, path: Path = ()) -> Rejected:
    """Return the complaint about a setting that is not supported."""
    return Rejected(Complaint(path, Unsupported(reason)))
