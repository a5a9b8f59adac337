"""Figures in words, the same wherever people read them."""


def duration(seconds: float) -> str:
    """Return a time in words: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24} h"


def counted(number: int, thing: str, things: str = "") -> str:
    """Return a number of things: ``1 trial``, ``1,234 trials``."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
