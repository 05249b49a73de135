"""Runs every benchmark and writes ``docs/benchmarks.md``."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.conditions_bench import CONDITIONS, conditions
from benchmarks.indicators_bench import HISTORY, LANES, history, live
from benchmarks.timing import ROUNDS, machine

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"

_TABLES: tuple[tuple[str, str, Callable[[], list[list[str]]], tuple[str, ...]], ...] = (
    (
        f"History: {HISTORY:,} candles of one series",
        "CPU time a candle, one thread, default parameters; TA-Lib allocates its result as ours does. "
        "Our bbands also gives percent_b and bandwidth.",
        history,
        ("indicator", "ours, ns", "TA-Lib, ns", "TA-Lib / ours"),
    ),
    (
        f"Live: {LANES} instruments moved by one candle",
        "CPU time a tick; the peer is `talib.stream`, one handle an instrument, updated in a Python loop.",
        live,
        ("indicator", "ours, us", "talib.stream, us", "talib.stream / ours"),
    ),
    (
        f"Judging {CONDITIONS:,} unique conditions on one tick",
        "CPU time a condition on values that are already computed; ours is three-valued, the peers' are not.",
        conditions,
        ("who", "ns a condition", "time / ours"),
    ),
)


def main() -> None:
    """Measure, print and write."""
    parts = [
        "# Benchmarks\n",
        "Written by `make bench`. What is compared runs in turn in one process; figures are medians of CPU time over "
        f"{ROUNDS} rounds or more. Trust the ratios of a row, not its absolute figures.\n",
        f"Measured on {machine()}.\n",
    ]
    for title, remark, measure, header in _TABLES:
        print(title, "...", file=sys.stderr)
        parts += [f"## {title}\n", remark + "\n", _table(header, measure())]
    _PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(_PAGE.read_text(encoding="utf-8"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + " - |" * len(header), *lines[1:]]) + "\n"


if __name__ == "__main__":
    main()
