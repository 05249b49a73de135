"""Spreads and tilts: of any length what the definition says, and as exact as the differences of the values are."""

from fractions import Fraction

import numpy as np
import pytest

from indicators.catalogue import find
from indicators.compute import compute, scan, start
from indicators.kernels import moments
from tests.indicators.reference import Lanes, identical, moments_of

TICKS = np.random.default_rng(3).integers(-60, 61, 2_300).cumsum() + 6_000_000
PRICES = TICKS / 100.0
LENGTHS = [*range(2, 70), 127, 128, 129, 255, 256, 257, 260, 268, 300, 512, 516, 528, 580, 1000]
"""All combinations of spans below 64, and those whose newest span has to wait for one much wider."""


def over_time(length: int, tilted: bool, values: np.ndarray = PRICES) -> tuple[np.ndarray, np.ndarray]:
    """(distances, spread or tilt) of all windows of the values."""
    total, second = (np.full(values.size - length + 1, np.nan) for _ in range(2))
    (moments.history_tilt if tilted else moments.history_moments)(values, length, total, second)
    return total, second


@pytest.mark.parametrize("tilted", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_window_of_any_length_is_put_together_in_the_same_order(length: int, tilted: bool) -> None:
    total, second = over_time(length, tilted)
    for begin in {0, 1, 500, 1_023, 1_024, 1_025, total.size - 1} & {*range(total.size)}:
        assert (total[begin], second[begin]) == moments_of(PRICES[begin : begin + length], tilted)


@pytest.mark.parametrize("name", ["stdev", "linreg"])
@pytest.mark.parametrize("length", LENGTHS)
def test_lanes_of_any_length_have_the_bits_of_the_past(length: int, name: str) -> None:
    record = find(name)
    parameters = record.complete({"period": length})
    prices = PRICES[: 2 * length + 40]
    past = np.array([*compute(name, {"close": prices}, period=length).values()])
    lanes, begun = Lanes(record, parameters, 2), length + 3
    # One lane has seen all of it, the other goes on from what the past handed over.
    carry = start(record, parameters)
    scan(record, parameters, carry, (prices[:begun],))
    for place, price in enumerate(prices):
        if place == begun:
            lanes.fill(1, carry)
        lanes.advance((np.array([price, price]),))
        assert identical(lanes.outputs[:, 0].copy(), past[:, place].copy())
        assert place < begun or identical(lanes.outputs[:, 1].copy(), past[:, place].copy())


@pytest.mark.parametrize("length", [2, 5, 14, 20, 21, 50, 200])
def test_rounding_is_as_small_as_the_differences_are(length: int) -> None:
    quiet = (6_000_000 + np.random.default_rng(4).integers(0, 2, 400)) / 100.0
    distances, spreads = over_time(length, False, quiet)
    _, tilts = over_time(length, True, quiet)
    for begin in range(0, distances.size, 7):
        window = [Fraction(value) for value in quiet[begin : begin + length]]
        zero = Fraction(0)
        mean = sum(window, zero) / length
        distance = sum((value - window[-1] for value in window), zero)
        spread = sum(((value - mean) * (value - mean) for value in window), zero)
        tilt = sum((value * (place - Fraction(length - 1, 2)) for place, value in enumerate(window)), zero)
        widest = abs(distance) + spread + abs(tilt)
        for computed, exact in ((distances, distance), (spreads, spread), (tilts, tilt)):
            assert abs(Fraction(computed[begin]) - exact) <= Fraction(length, 10**15) * max(Fraction(1), widest)


@pytest.mark.parametrize("length", [2, 7, 20, 21, 100])
def test_one_value_throughout_is_nothing(length: int) -> None:
    for tilted in (False, True):
        total, second = over_time(length, tilted, np.full(length + 3, 0.1))
        assert not total.any()
        assert not second.any()
