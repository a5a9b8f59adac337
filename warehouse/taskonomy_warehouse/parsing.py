"""Numbers as people write them, for every file and option that holds some."""


def parse_number(text: str) -> float:
    """Return the number a text stands for; ``-0`` is 0.

    Infinity and NaN are returned as such: what is out of range is for the caller to say.

    Raises:
        ValueError: it is no number. Python's own ``1_000`` is none: where it is a slip of the
            keyboard, nobody would see that a budget has become a hundred times itself.
    """
    if "_" in text:
        raise ValueError(f"{text!r} is not a number")
    return float(text) + 0.0
