"""How often a sweep calls noise significant, and how often it finds an edge that is there.

Candles are shuffled: each keeps its shape and its volume, their order is random, so that nothing before a candle says
anything about it. The best of thousands of conditions on such candles is noise. Then an edge is planted: after each
trigger of one condition, that only reads volumes, 24 candles drift upwards by a share of what 24 candles usually move.
``python -m benchmarks.noise --seeds 200 --conditions 10000 --candles 8760`` is the long form; the tests run a short
one.
"""

import argparse
import random
import sys
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import polars as pl

import analysis
from analysis.backtesting.report import SIGNIFICANT
from analysis.backtesting.trials import SessionTrials
from benchmarks import candles
from indicators.compute import Array
from registry.conditions import Condition

HOLD = 24
"""Candles of a trade, and of the planted drift."""
PLANTED = "BTCUSDT 1h: volume crosses_above 5 * sma(48, volume)"
EDGE = 1.0
"""The planted drift over 24 candles, in standard deviations of what 24 candles move."""


@dataclass(frozen=True)
class Outcome:
    """One seed: the best of all, and the planted condition."""

    is_significant: bool
    best: str
    best_deflated: float
    independent: float
    planted_deflated: float
    planted_trades: int
    overfitting: float


def conditions(count: int, seed: int = 5) -> list[Condition]:
    """Different conditions of one series, the planted one first."""
    dice = random.Random(seed)
    made = {Condition.parse(PLANTED): None}
    while len(made) < count:
        period, other = dice.randint(5, 100), dice.randint(101, 250)
        level, width = dice.randint(10, 45), dice.randint(2, 12) / 4
        text = dice.choice(
            (
                f"rsi({period}) crosses_below {level}",
                f"rsi({period}) crosses_above {100 - level}",
                f"ema({period}) crosses_above ema({other})",
                f"sma({period}) crosses_below sma({other})",
                f"close crosses_below bbands({period}, {width:g}).lower",
                f"close > bbands({period}, {width:g}).upper for 2 bars",
                f"macd({period}, {other}, 9).histogram crosses_above 0",
                f"stoch({period}, 3, 3).k crosses_above stoch({period}, 3, 3).d and stoch({period}, 3, 3).k < {level}",
                f"all(rsi(14) crosses_below {level}, close > sma({other}))",
                f"close crosses_above highest({period})[1] and atr({period}) > atr({other})",
                f"any(rsi({period}) < {level}, williams_r({period}) < -{100 - level / 4:g}) within 3 bars",
            )
        )
        made[Condition.parse(f"BTCUSDT 1h: {text}")] = None
    return list(made)


def shuffled(count: int, seed: int) -> pl.DataFrame:
    """Candles in random order, each with its steps from the close before, and its volume."""
    columns = candles.series(count + 1, seed, timeframe="1h")
    closes = columns["close"]
    steps = np.log(np.array([columns[name][1:] for name in candles.PRICES]) / closes[:-1])
    order = np.random.default_rng(seed).permutation(count)
    return _frame(steps[:, order], columns["volume"][1:][order])


def with_edge(frame: pl.DataFrame, edge: float) -> pl.DataFrame:
    """The same with a drift of ``edge`` standard deviations over the 24 candles after each trigger of ``PLANTED``.

    Triggers whose drift is not over count as well, as with anything that happens in a market.
    """
    fired = analysis.scan(PLANTED, frame)["open_time"].implode()
    rows = np.flatnonzero(frame["open_time"].is_in(fired).to_numpy())
    before = np.concatenate([[frame["open"][0]], frame["close"].to_numpy()[:-1]])
    steps = np.log(np.array([frame[name].to_numpy() for name in candles.PRICES]) / before)
    drift = np.zeros(frame.height)
    for row in rows.tolist():
        drift[row + 1 : row + 1 + HOLD] = edge * float(steps[3].std()) / HOLD**0.5
    return _frame(steps + drift, frame["volume"].to_numpy())


def outcome(frame: pl.DataFrame, tried: list[Condition], executor: Executor | None = None) -> Outcome:
    """Sweep over the conditions."""
    swept = analysis.sweep(tried, frame, horizon=HOLD, trials=SessionTrials(), executor=executor)
    (part,) = swept.series
    best = swept.best.row(0, named=True)
    planted = swept.frame.filter(condition_id=Condition.parse(PLANTED).id).row(0, named=True)
    return Outcome(
        "more than noise" in swept.verdict,
        best["condition"],
        best["deflated_sharpe"],
        part.independent,
        planted["deflated_sharpe"],
        planted["trades"],
        part.overfitting or 0.0,
    )


def _frame(steps: Array, volumes: Array) -> pl.DataFrame:
    closes = 100 * np.exp(np.cumsum(steps[3]))
    prices = np.exp(steps) * np.concatenate([[100.0], closes[:-1]])
    opens = 1_704_067_200_000 + 3_600_000 * np.arange(closes.size)
    columns = dict(zip(candles.PRICES, prices, strict=True)) | {"volume": volumes, "open_time": opens}
    return candles.frame(columns, "BTCUSDT", "1h")


def main() -> None:
    """Print each seed, and the shares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--conditions", type=int, default=10_000)
    parser.add_argument("--candles", type=int, default=8760)
    parser.add_argument("--edge", type=float, default=EDGE)
    options = parser.parse_args()
    tried = conditions(options.conditions)
    noise, found_edges = 0, 0
    for number, seed in enumerate(range(options.first, options.first + options.seeds), 1):
        frame = shuffled(options.candles, seed)
        without = outcome(frame, tried)
        planted = outcome(with_edge(frame, options.edge), tried)
        noise += without.is_significant
        found_edges += planted.planted_deflated >= SIGNIFICANT
        print(
            f"seed {seed}: noise {without.best_deflated:.3f} ({without.best}), {without.independent:.0f} independent,"
            f" overfitting {without.overfitting:.2f}; planted {planted.planted_deflated:.3f} in"
            f" {planted.planted_trades} trades; so far {noise} of {number} significant, {found_edges} edges found",
            flush=True,
        )
    shares = noise / options.seeds, found_edges / options.seeds
    print(f"noise called significant {shares[0]:.1%}, planted edge found {shares[1]:.1%}", file=sys.stderr)


if __name__ == "__main__":
    main()
