"""How often a sweep calls noise significant, and how often it finds an edge that is there.

Candles are shuffled: each keeps its shape and its volume, their order is random, so that nothing before a candle says
anything about it. The best of thousands of conditions on such candles is noise. Then an edge is planted: after each
trigger of one condition, that only reads volumes, 24 candles drift upwards by a share of what 24 candles usually move.

Two hundred seeds take half an hour. ``python -m benchmarks.noise FILE --first 1 --seeds 50`` measures some of them, and
``python -m benchmarks.noise FILE --keep`` keeps what all say.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist, median

import numpy as np
import polars as pl

import analysis
from analysis.backtesting.report import SIGNIFICANT
from analysis.backtesting.trials import SessionTrials
from benchmarks import candles
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, at_most, figure
from benchmarks.results import Measured, Results
from benchmarks.scale import FULL, Scale
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
    best_alone: float
    """What it would be had nothing else been tried."""
    independent: float
    planted_deflated: float
    planted_trades: int
    overfitting: float


@dataclass(frozen=True)
class Pair:
    """A seed without and with the edge."""

    seed: int
    noise: Outcome
    planted: Outcome


@dataclass(frozen=True)
class Size:
    """How many conditions are tried, and on how many candles; the edge as :data:`EDGE` has it."""

    conditions: int
    candles: int
    edge: float = EDGE


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


def outcome(frame: pl.DataFrame, tried: list[Condition]) -> Outcome:
    """Sweep over the conditions."""
    swept = analysis.sweep(tried, frame, horizon=HOLD, trials=SessionTrials())
    (part,) = swept.series
    best = swept.best.row(0, named=True)
    planted = swept.frame.filter(condition_id=Condition.parse(PLANTED).id).row(0, named=True)
    return Outcome(
        "more than noise" in swept.verdict,
        best["condition"],
        best["deflated_sharpe"],
        NormalDist().cdf(best["excess_sharpe"] * (part.candles - 1) ** 0.5),
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


def measured(seed: int, tried: list[Condition], size: Size) -> Pair:
    """One seed: shuffled candles as they are, and with the edge."""
    frame = shuffled(size.candles, seed)
    return Pair(seed, outcome(frame, tried), outcome(with_edge(frame, size.edge), tried))


def section(size: Size, pairs: Sequence[Pair]) -> Section:
    """What all seeds say."""
    significant = sum(pair.noise.is_significant for pair in pairs)
    edges = sum(pair.planted.planted_deflated >= SIGNIFICANT for pair in pairs)
    best = sum(pair.planted.best == str(Condition.parse(PLANTED)) for pair in pairs)
    alone = sum(pair.noise.best_alone >= SIGNIFICANT for pair in pairs)
    trades = [pair.planted.planted_trades for pair in pairs]
    rows = [
        ["shuffled candles: the best of all is called significant", f"{significant} of {len(pairs)} seeds"],
        ["its Sharpe ratio alone, as if nothing else had been tried, would be", f"{alone} of {len(pairs)} seeds"],
        ["median probability of overfitting", figure(median(pair.noise.overfitting for pair in pairs))],
        ["median number of independent tries", figure(median(pair.noise.independent for pair in pairs))],
        ["with the edge: it is found", f"{edges} of {len(pairs)} seeds"],
        ["with the edge: it is the best of all", f"{best} of {len(pairs)} seeds"],
        ["trades of the condition that has it, from, median, to", f"{min(trades)}, {median(trades):g}, {max(trades)}"],
    ]
    remark = (
        f"{size.conditions:,} conditions on {size.candles:,} 1h candles in random order, {HOLD} candles a trade:"
        " nothing before a candle says anything about it, and the best of all is luck. Then an edge for one of them,"
        f" `{PLANTED}`: after its triggers prices drift by {size.edge:g} standard deviations of what {HOLD} candles"
        f" move, spread over as many. Significant is a deflated Sharpe ratio of {SIGNIFICANT} or more, of 30 trades or"
        " more. One round a seed."
    )
    share = "with the edge planted, it is found"
    return Section(
        f"The best of {size.conditions:,} conditions on noise",
        [Table(remark, ("what", "measured"), rows)],
        [
            at_most(
                "shuffled candles whose best condition is called significant", 5.0, _percent(significant, pairs), " %"
            ),
            at_least(share, 80.0, _percent(edges, pairs), " %"),
        ],
    )


def noise(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """All seeds in one go."""
    size = Size(scale.noise_conditions, scale.noise_candles)
    tried = conditions(size.conditions)
    return section(size, [measured(seed, tried, size) for seed in range(1, scale.noise_seeds + 1)])


def _percent(count: int, pairs: Sequence[Pair]) -> float:
    return 100 * count / len(pairs)


def main() -> None:
    """Measure some seeds into a file, or keep what several files say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise", description=__doc__)
    parser.add_argument("file", type=Path, help="where each seed is added as a line")
    parser.add_argument("--seeds", type=int, default=FULL.noise_seeds)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--keep", action="store_true", help="measure nothing; keep what the file says as the result")
    options = parser.parse_args()
    size = Size(FULL.noise_conditions, FULL.noise_candles)
    if options.keep:
        lines = options.file.read_text(encoding="utf-8").splitlines()
        pairs = {pair.seed: pair for pair in map(_read, lines)}
        if missing := set(range(1, options.seeds + 1)) - set(pairs):
            parser.error(
                f"{options.file} lacks {len(missing)} of {options.seeds} seeds; measure them: --first {min(missing)}"
            )
        from benchmarks.__main__ import RESULTS
        from benchmarks.sections import SECTIONS

        Results(RESULTS, SECTIONS).put("noise", Measured.today(section(size, list(pairs.values())), 1))
        return
    tried = conditions(size.conditions)
    for seed in range(options.first, options.first + options.seeds):
        pair = measured(seed, tried, size)
        with options.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(pair)) + "\n")
        told = f"seed {seed}: noise {pair.noise.best_deflated:.3f} ({pair.noise.best})"
        print(f"{told}; edge {pair.planted.planted_deflated:.3f}", file=sys.stderr, flush=True)


def _read(line: str) -> Pair:
    stored = json.loads(line)
    return Pair(stored["seed"], Outcome(**stored["noise"]), Outcome(**stored["planted"]))


if __name__ == "__main__":
    main()
