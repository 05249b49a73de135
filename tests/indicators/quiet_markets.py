"""Markets that stand still, and parameters, for the property-based tests."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from indicators.catalogue import Indicator, IndicatorError
from indicators.compute import Array
from tests.indicators.reference import Columns

NAMED_PRICES = (0.1, 100.1, 0.9999, 1e-8, 3e-7, 123456.789, 1e15, 1e15 / 3, 2 / 3, 4.1, 97_000.01, 1.0)
"""Prices of very different sizes, most of which have no exact float64."""

PRICES = st.one_of(
    st.sampled_from(NAMED_PRICES),
    st.floats(1e-9, 1e15, allow_nan=False),
)
"""A price of any size."""

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def parameters_of(draw: st.DrawFn, record: Indicator, longest: int = 70) -> dict[str, float]:
    """Parameters of a record, with lengths that a test of a few hundred candles can look back on."""
    chosen: dict[str, float] = {}
    for parameter in record.parameters:
        if parameter.follows is not None and draw(st.booleans()):
            continue
        if parameter.whole:
            chosen[parameter.name] = draw(st.integers(int(parameter.low), min(int(parameter.high), longest)))
        else:
            chosen[parameter.name] = draw(st.floats(parameter.low, min(parameter.high, 5.0)))
    try:
        return record.complete(chosen)
    except IndicatorError:
        # A rule wants them in order: psar's whole range, and three lengths that differ.
        names = [parameter.name for parameter in record.parameters if parameter.name in chosen]
        spread = sorted(chosen.values())
        spread = [value + (place if record.parameters[0].whole else 0) for place, value in enumerate(spread)]
        return record.complete(chosen | dict(zip(names, spread, strict=True)))


def constant(price: float, volume: Array) -> Columns:
    """Candles of one price, four of them a day."""
    days = np.arange(volume.size) // 4.0
    return {name: np.full(volume.size, price) for name in ("open", "high", "low", "close")} | {
        "volume": volume,
        "day": days,
    }


def volumes(seed: int, count: int) -> Array:
    """Volumes of very different sizes, none of them 0."""
    dice = np.random.default_rng(seed)
    return np.exp(dice.normal(0.0, dice.choice([0.1, 3.0, 12.0]), count)) * 10.0 ** dice.integers(-6, 9)


def market(seed: int, price: float, lengths: list[int], kinds: list[str]) -> Columns:
    """Stretches of candles one after the other.

    ``moving`` are ordinary candles on a tick grid; ``still`` ones have one price but volume; ``untraded`` ones have
    neither movement nor volume; ``unpaid`` ones move without volume; ``level`` ones have a range of their own, but none
    of them differs from the one before.
    """
    dice = np.random.default_rng(seed)
    tick, at, parts = price * 2.0**-12, price, []
    for length, kind in zip(lengths, kinds, strict=True):
        walk = (
            at + tick * np.cumsum(dice.integers(-6, 7, length)) if kind in ("moving", "unpaid") else np.full(length, at)
        )
        walk = np.maximum(walk, price / 4)
        begin = np.concatenate([[at], walk[:-1]])
        reach = tick * dice.integers(0, 5, (2, length)) if kind in ("moving", "unpaid") else np.zeros((2, length))
        if kind == "level":
            reach = np.full((2, length), 3 * tick)
        traded = dice.integers(1, 900, length) * 0.37
        parts.append(
            {
                "open": begin,
                "high": np.maximum(begin, walk) + reach[0],
                "low": np.minimum(begin, walk) - reach[1],
                "close": walk,
                "volume": np.zeros(length) if kind in ("untraded", "unpaid") else traded,
            }
        )
        at = float(walk[-1]) if length else at
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return columns | {"day": np.arange(columns["close"].size) // 24.0}


KINDS = ("moving", "still", "untraded", "unpaid", "level")

MARKETS = st.builds(
    market,
    SEEDS,
    st.sampled_from([100.1, 0.9999, 3e-7, 123456.789]),
    st.lists(st.integers(1, 120), min_size=4, max_size=4),
    st.lists(st.sampled_from(KINDS), min_size=4, max_size=4),
)
"""A few hundred candles of one to four stretches of any kind, one after the other."""


def stretches(flags: Array) -> list[slice]:
    """The spans over which a flag is 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [slice(begin, end) for begin, end in list(pairwise(edges))[::2]]
