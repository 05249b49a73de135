"""Backtests against vectorbt and backtesting.py: the same trades by the same rules, and what they take."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from benchmarks import candles
from benchmarks.peers.process import ROOT, Peers, PeersMissing, environment_of
from benchmarks.report import Section, Table, Target, at_least, figure, times
from benchmarks.scale import Scale
from benchmarks.timing import peak_mb
from candles.sample import SAMPLE_FILES

_REQUIREMENTS = ROOT / "benchmarks" / "peers" / "backtest_requirements.txt"
_ENVIRONMENT = ROOT / ".venv" / "backtest-peers"
_FEE = 0.001
_SETTLED = 500
"""Candles after which the averages of all agree; trades before are not compared."""
_AHEAD = 10.0
LIBRARIES = ("vectorbt", "backtesting")


def backtests(scale: Scale, peers: Peers) -> Section:
    """Equal trades on real candles, then a sweep over thresholds with equity."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    with TemporaryDirectory() as folder:
        real = pl.read_parquet(SAMPLE_FILES[1]).filter(symbol="BTCUSDT").sort("open_time")
        names = ("open", "high", "low", "close", "volume")
        few = [(low, high) for low, high in product((25.0, 30.0), (60.0, 70.0))]
        files = {"real": Path(folder) / "real.npz", "long": Path(folder) / "long.npz"}
        real_columns: dict[str, Any] = {name: real[name].to_numpy() for name in names}
        np.savez(files["real"], **real_columns)
        columns = candles.series(scale.backtest_candles, timeframe="1h")
        long_columns: dict[str, Any] = {name: columns[name] for name in names}
        np.savez(files["long"], **long_columns)
        many = [(25.0 + low, 66.0 + high) for low, high in product(range(10), range(10))][: scale.backtest_pairs]
        ours = {name: _ours(files[name], pairs) for name, pairs in (("real", few), ("long", many))}
        rows.append(_row("analysis.sweep", ours["long"], ours["long"], "-"))
        python, remark = None, f" Not compared: {peers.why_not}."
        if not peers.why_not:
            try:
                python, remark = environment_of(_ENVIRONMENT, _REQUIREMENTS), ""
            except PeersMissing as missing:
                remark = f" Not compared: {missing}."
        for library in LIBRARIES if python is not None else ():
            theirs = _peer(python, library, files["real"], few, with_trades=True)
            same = compare(ours["real"], theirs)
            shown = many if library == "vectorbt" else many[: scale.backtest_slow_pairs]
            measured = _peer(python, library, files["long"], shown, with_trades=False)
            measured["cpu"] *= len(many) / len(shown)
            rows.append(_row(library, measured, ours["long"], same))
            ahead = measured["cpu"] / ours["long"]["cpu"]
            targets.append(at_least(f"analysis.sweep with equity, over {library}", _AHEAD, ahead))
    return Section(
        f"A sweep of {len(many)} pairs of thresholds over {scale.backtest_candles:,} candles, with equity",
        [
            Table(
                "RSI(14) crosses below one level: entry at the next open; it crosses above another: exit at the next"
                " open; a fee of 0.1 % a fill. CPU time without imports and the first call. Trades and returns are"
                f" compared on {real.height:,} real candles from the {_SETTLED}th on, because vectorbt's average begins"
                " with the first change and ours, as TA-Lib's, with the mean of fourteen; its RSI smooths by span, so"
                " that its window 27 is Wilder's 14. backtesting.py is measured on fewer pairs, and scaled." + remark,
                ("who", "CPU seconds", "peak memory, MB", "ours is faster by", "trades on real candles"),
                rows,
            )
        ],
        targets,
    )


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """How many trades there are, and how many of them agree in entry, exit and return (to 1e-9)."""
    total = equal = 0
    for mine, other in zip(ours["trades"], theirs["trades"], strict=True):
        settled = [trade for trade in mine if trade[0] >= _SETTLED]
        known = {trade[0]: trade for trade in other}
        total += max(len(settled), sum(trade[0] >= _SETTLED for trade in other))
        for entry, leave, gained in settled:
            match = known.get(entry)
            equal += match is not None and match[1] == leave and abs(match[2] - gained) < 1e-9
    return f"{equal:,} of {total:,} equal"


def _row(name: str, measured: Mapping[str, Any], ours: Mapping[str, Any], same: str) -> list[str]:
    return [
        name,
        figure(measured["cpu"]),
        figure(measured["peak_mb"]),
        times(measured["cpu"] / ours["cpu"]),
        same,
    ]


def _peer(python: Path | None, library: str, file: Path, pairs: Any, *, with_trades: bool) -> dict[str, Any]:
    request = {"library": library, "candles": str(file), "pairs": pairs, "fee": _FEE, "with_trades": with_trades}
    return _asked([str(python), "-m", "benchmarks.peers.backtest_worker", json.dumps(request)])


def _ours(file: Path, pairs: Any) -> dict[str, Any]:
    return _asked([sys.executable, "-m", "benchmarks.backtests", json.dumps({"candles": str(file), "pairs": pairs})])


def _asked(command: list[str]) -> dict[str, Any]:
    one_thread = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=one_thread)
    answer: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return answer


def main() -> None:
    """The process of ours that is measured."""
    import time

    import analysis
    from analysis.backtesting.trials import SessionTrials

    request = json.loads(sys.argv[1])
    with np.load(request["candles"]) as file:
        columns = {name: file[name] for name in file.files}
    opens = 1_704_067_200_000 + 3_600_000 * np.arange(columns["close"].size)
    frame = candles.frame(columns | {"open_time": opens}, "BTCUSDT", "1h")
    lows = sorted({low for low, _ in request["pairs"]})
    highs = sorted({high for _, high in request["pairs"]})
    options: dict[str, Any] = {"horizon": None, "fee_percent": 100 * _FEE, "slippage_percent": 0.0}
    entry, leave = "BTCUSDT 1h: rsi(14) crosses_below {low}", "BTCUSDT 1h: rsi(14) crosses_above {high}"
    short = {"low": lows[:1], "high": highs[:1]}
    analysis.sweep(entry, frame[:500], short, exit=leave, trials=SessionTrials(), **options)
    started = time.process_time()
    swept = analysis.sweep(entry, frame, {"low": lows, "high": highs}, exit=leave, trials=SessionTrials(), **options)
    cpu = time.process_time() - started
    trades = []
    if frame.height < 10_000:
        for low, high in request["pairs"]:
            report = analysis.backtest(
                entry.format(low=low), frame, exit=leave.format(high=high), trials=SessionTrials(), **options
            )
            closed = report[0].traded.closed
            begun = (closed["entry_time"].dt.epoch("ms").to_numpy() - opens[0]) // 3_600_000
            ended = (closed["exit_time"].dt.epoch("ms").to_numpy() - opens[0]) // 3_600_000 - 1
            trades.append(list(zip(begun.tolist(), ended.tolist(), closed["gross_return"].to_list(), strict=True)))
    grown = (swept.frame["total_return"] + 1).to_list()
    print(json.dumps({"cpu": cpu, "peak_mb": peak_mb(), "trades": trades, "grown": grown}))


if __name__ == "__main__":
    main()
