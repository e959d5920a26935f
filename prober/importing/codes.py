"""Sets of status codes, as the configuration writes them."""


def ranges(codes: list[int]) -> str:
    """Write sorted codes as `200-204,301`."""
    parts: list[list[int]] = []
    for code in codes:
        if parts and parts[-1][-1] == code - 1:
            parts[-1] = [parts[-1][0], code]
        else:
            parts.append([code])
    return ",".join("-".join(map(str, part)) for part in parts)
