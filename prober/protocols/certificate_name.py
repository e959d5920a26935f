"""Names in certificates: whether a certificate is for a host."""

from collections.abc import Iterable


def is_for(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of a certificate's DNS names matches a host (RFC 9525, section 6.3).

    A wildcard stands for the whole first label, and at least two other labels must follow.
    """
    name = name.lower().rstrip(".")
    _, _, parent = name.partition(".")
    for pattern in patterns:
        pattern = pattern.lower().rstrip(".")  # noqa: PLW2901  (the same name in one form)
        if pattern == name:
            return True
        if pattern[:2] == "*." and pattern[2:] == parent and "." in parent:
            return True
    return False
