"""Figures in words: one way of rounding, for the page, the pictures and the terminal."""

WIN_RATE_DIGITS = 3
"""Decimals of every win rate that is shown: 0.995 is 0.995 wherever it stands."""


def plain(value: float) -> str:
    """Write a budget or a cost: ``8``, ``2.5``."""
    return f"{value:g}"


def win_rate(value: float | None) -> str:
    """Write a win rate or an objective: ``0.995``; a dash where there is none."""
    return "–" if value is None else f"{value:.{WIN_RATE_DIGITS}f}"


def in_a_cell(value: float) -> str:
    """Write a win rate where room is scarce: ``.995``, and ``1`` for what rounds to it."""
    text = win_rate(value)
    return text[1:] if text.startswith("0") else "1"


def percent(share: float) -> str:
    """Write a share as a length in CSS: ``62.1%``."""
    return f"{100 * share:.1f}%"


def whole_percent(share: float | None) -> str:
    """Write a share for people: ``62 %``; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def signed(value: float | None) -> str:
    """Write a difference with its sign: ``+0.042``, ``−0.010``, ``0.000``; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:+.{WIN_RATE_DIGITS}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def around_zero(difference: float) -> float:
    """Place a difference of win rates on a bar from −½ to ½: 0 to 1, one half for none."""
    return min(max(0.5 + difference, 0.0), 1.0)


def p_value(value: float | None) -> str:
    """Write a p-value to two significant digits."""
    return "–" if value is None else f"{value:.2g}"


def order_words(max_order: str) -> str:
    """Write an order limit: ``1``, ``≤ 4``, ``all``."""
    return max_order if max_order in ("1", "all") else f"≤ {max_order}"


def order_phrase(max_order: str) -> str:
    """Write an order limit as a phrase: ``order 1``, ``order ≤ 4``, ``all orders``."""
    return "all orders" if max_order == "all" else f"order {order_words(max_order)}"
