"""Sets of status codes, as the configuration writes them."""

CODES = range(100, 600)
"""Every status code."""


def span(written: str) -> range:
    """Return the codes of `200` or `200-299`; raise ValueError for other text.

    What no status code can be is left out, however much of it a range spans.
    """
    low, _, high = written.strip().partition("-")
    return range(max(int(low), CODES.start), min(int(high or low) + 1, CODES.stop))


def ranges(codes: list[int]) -> str:
    """Write sorted codes as `200-204,301`."""
    parts: list[list[int]] = []
    for code in codes:
        if parts and parts[-1][-1] == code - 1:
            parts[-1] = [parts[-1][0], code]
        else:
            parts.append([code])
    return ",".join("-".join(map(str, part)) for part in parts)
