"""Figures in words."""

import pytest

from taskonomy_warehouse.report.words import (
    around_zero,
    in_a_cell,
    order_phrase,
    p_value,
    plain,
    signed,
    win_rate,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (plain(8.0), "8"),
        (plain(2.5), "2.5"),
        (win_rate(0.84996), "0.850"),
        (win_rate(0.995), "0.995"),
        (win_rate(None), "–"),
        (in_a_cell(0.995), ".995"),
        (in_a_cell(0.9994), ".999"),
        (in_a_cell(0.9996), "1"),
        (in_a_cell(0.0), ".000"),
        (p_value(1 / 1001), "0.001"),
        (p_value(0.5834), "0.58"),
        (order_phrase("1"), "order 1"),
        (order_phrase("4"), "order ≤ 4"),
        (order_phrase("all"), "all orders"),
    ],
)
def test_figures_in_words(written: str, expected: str) -> None:
    assert written == expected


def test_differences_are_written_with_their_sign() -> None:
    assert [signed(v) for v in (0.0421, -0.01, 0.0, -0.0001, None)] == [
        "+0.042",
        "−0.010",
        "0.000",
        "0.000",
        "–",
    ]
    assert [around_zero(v) for v in (0.0, 0.25, -0.9, 3.0)] == [0.5, 0.75, 0.0, 1.0]
