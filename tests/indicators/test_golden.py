"""Where TA-Lib has no counterpart: values that others published, and a second formula in plain numpy."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import indicators
from indicators.compute import Array
from tests.indicators.reference import Columns, computed

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> Columns:
    """The columns of a golden file, NaN where it is empty; its first lines state the source."""
    frame = pl.read_csv(GOLDEN / f"{name}.csv", comment_prefix="#", infer_schema_length=None)
    return {column: frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy() for column in frame.columns}


def test_golden_files_state_their_source() -> None:
    paths = list(GOLDEN.glob("*.csv"))
    assert paths
    for path in paths:
        stated = "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if line.startswith("#"))
        assert "https://" in stated, path.name
        assert "commit" in stated, path.name


def test_stochastic_rsi_is_the_published_one() -> None:
    """The mean of three fast values is published as the signal of the fast line, and is k with smooth=3."""
    expected = golden("stochrsi")
    for column, options in (("fast", {"smooth": 1, "d": 1}), ("mean_of_3", {"smooth": 3, "d": 1})):
        lines = computed("stochrsi", expected, options)
        np.testing.assert_allclose(lines["k"], expected[column], rtol=0, atol=1e-11)
        np.testing.assert_array_equal(lines["d"], lines["k"])
    both = indicators.compute("stochrsi", expected, smooth=1, d=3)
    np.testing.assert_allclose(both["d"], expected["mean_of_3"], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("candle", "k", "d"),
    [(31, 97.7778, 99.2593), (152, 0.0, 20.0263), (249, 27.3094, 33.2716), (501, 89.8385, 73.4176)],
)
def test_both_lines_of_stochastic_rsi(candle: int, k: float, d: float) -> None:
    """The published tests of the smoothed line, SlowRsi in StochRsi.StaticSeries.Tests.cs, to four decimals."""
    lines = indicators.compute("stochrsi", golden("stochrsi"))
    assert lines["k"][candle] == pytest.approx(k, abs=5e-5)
    assert lines["d"][candle] == pytest.approx(d, abs=5e-5)


def test_percentage_oscillator_is_the_published_one() -> None:
    """The published line begins as TA-Lib's does, before its signal."""
    expected = golden("ppo")
    lines = indicators.compute("ppo", expected, source="volume")
    together = np.isnan(expected["signal"])
    assert together.sum() == 33
    for name, values in lines.items():
        theirs = np.where(together, np.nan, expected[name])
        np.testing.assert_allclose(values, theirs, rtol=0, atol=1e-11 * np.nanmax(np.abs(theirs)))


def rolling(values: Array, length: int) -> Array:
    """float64[n, length]: the last ``length`` values at each place, NaN until there are that many."""
    padded = np.concatenate([np.full(length - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, length)


def recursion(values: Array, weight: float, count: int) -> Array:
    """The mean of the first ``count`` values, then ``weight`` of each newer one, written as a sum over all of them."""
    averages = np.full(values.size, np.nan)
    first = np.flatnonzero(~np.isnan(values))[0] + count - 1
    seed = values[first - count + 1 : first + 1].mean()
    later = values[first + 1 :]
    for place in range(later.size + 1):
        fading = (1 - weight) ** np.arange(place - 1, -1, -1.0)
        averages[first + place] = seed * (1 - weight) ** place + weight * (later[:place] * fading).sum()
    return averages


@pytest.mark.parametrize("sizes", [(14, 14, 3, 3), (5, 9, 4, 2)])
def test_stochastic_rsi_by_its_definition(candles: Columns, sizes: tuple[int, int, int, int]) -> None:
    period, k, smooth, d = sizes
    close = candles["close"][:600]
    changes = np.diff(close, prepend=np.nan)
    ups = recursion(np.maximum(changes, 0), 1 / period, period)
    downs = recursion(np.maximum(-changes, 0), 1 / period, period)
    strength = 100 - 100 / (1 + ups / downs)
    window = rolling(strength, k)
    fast = 100 * (strength - window.min(axis=1)) / np.ptp(window, axis=1)
    slow = rolling(fast, smooth).mean(axis=1)
    average = rolling(slow, d).mean(axis=1)
    lines = indicators.compute("stochrsi", {"close": close}, period=period, k=k, smooth=smooth, d=d)
    np.testing.assert_allclose(lines["d"], average, rtol=0, atol=1e-9)
    np.testing.assert_allclose(lines["k"], np.where(np.isnan(average), np.nan, slow), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sizes", [(12, 26, 9), (3, 40, 25)])
def test_percentage_oscillator_by_its_definition(candles: Columns, sizes: tuple[int, int, int]) -> None:
    fast, slow, signal = sizes
    close = candles["close"][:600]
    slower = recursion(close, 2 / (slow + 1), slow)
    line = 100 * (recursion(close, 2 / (fast + 1), fast) / slower - 1)
    average = recursion(line, 2 / (signal + 1), signal)
    expected = {"line": np.where(np.isnan(average), np.nan, line), "signal": average, "histogram": line - average}
    lines = indicators.compute("ppo", {"close": close}, fast=fast, slow=slow, signal=signal)
    for name, values in expected.items():
        np.testing.assert_allclose(lines[name], values, rtol=0, atol=1e-11)


def test_volume_weighted_average_of_another_source(candles: Columns) -> None:
    columns = {name: values[:300] for name, values in candles.items()}
    prices, volume = (columns["high"] + columns["low"] + columns["close"]) / 3, columns["volume"]
    expected = np.array([np.average(p, weights=v) for p, v in zip(rolling(prices, 9), rolling(volume, 9), strict=True)])
    averages = indicators.compute("vwma", columns, source="hlc3", period=9)["value"]
    np.testing.assert_allclose(averages, expected, rtol=1e-13)
