"""What an analyst asks of many series at once, and of one long one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from benchmarks import candles
from benchmarks.peers.process import ROOT, Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.scan import condition_texts
from benchmarks.timing import peak_mb

_SECONDS = 45.0
_INTERACTIVE = 1.0
_LONG = "SYMBOL0USDT 1m: rsi(14) crosses_below {}"


def sweeps(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Each question in a process of its own, whose memory is measured; kernels are loaded before the clock starts."""
    series, count, hours = scale.sweep_series, scale.scan_conditions, scale.sweep_candles
    with TemporaryDirectory() as folder:
        files = {"many": Path(folder) / "many.parquet", "long": Path(folder) / "long.parquet"}
        pl.concat(
            candles.frame(candles.series(hours, number + 1, timeframe="1h"), _symbol(number), "1h")
            for number in range(series)
        ).write_parquet(files["many"])
        long = candles.series(scale.sweep_minutes, timeframe="1m")
        candles.frame(long, _symbol(0), "1m").write_parquet(files["long"])
        of_many = {
            "scan": _asked("scan", files["many"], series, count),
            "sweep": _asked("sweep", files["many"], scale.sweep_traded, count),
        }
        of_long = _asked("backtest", files["long"], 1, scale.rounds)
    header = (
        "what",
        "CPU seconds",
        "parsing beside it",
        "writing beside it",
        "seconds on the clock",
        "peak memory, MB",
        "triggers",
    )
    names = {
        "scan": f"analysis.scan_each of {series} series",
        "sweep": f"analysis.sweep of {scale.sweep_traded} of them",
    }
    rows = [
        [
            names[key],
            *(figure(spent[one]) for one in ("cpu", "parse", "write", "wall", "peak_mb")),
            f"{spent['triggers']:,}",
        ]
        for key, spent in of_many.items()
    ]
    title = f"{count:,} conditions on {series} series, and one on five years of minutes"
    remark = (
        f"{count:,} conditions as in the section on scanning, on {hours:,} 1h candles of each of {series} symbols, one"
        " symbol after the other. Both plan them once for all symbols, planning included in their CPU; the sweep"
        " trades them as well, with equity, and deflates the best. Triggers are written as"
        " Parquet; those of one series are in memory at a time, beside all candles and the values of 4,096 of them. CPU"
        " is without parsing the conditions' texts, and the scan's without writing its report, a row a trigger."
    )
    long_remark = (
        f"A report on one condition, {scale.sweep_minutes:,} 1m candles of one symbol in a Parquet file that is read"
        " each time: one threshold after the other, and all that a report has. Seconds on the clock."
    )
    long_rows = [["first", figure(of_long["first"])], ["later ones, median", figure(of_long["later"])],
                 ["peak memory, MB", figure(of_long["peak_mb"])]]  # fmt: skip
    scan_cpu = of_many["scan"]["cpu"]
    return Section(
        title,
        [Table(remark, header, rows), Table(long_remark, ("report", "measured"), long_rows)],
        [
            at_most(
                f"analysis.scan_each, {count:,} conditions on {series} x {hours:,} candles, CPU",
                _SECONDS,
                scan_cpu,
                " s",
            ),
            at_most("report on a condition, five years of 1m candles", _INTERACTIVE, of_long["later"], " s"),
        ],
    )


def _symbol(number: int) -> str:
    return f"SYMBOL{number}USDT"


def _asked(what: str, file: Path, series: int, count: int) -> dict[str, float]:
    request = json.dumps({"what": what, "candles": str(file), "series": series, "count": count})
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweeps", request],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    answer: dict[str, float] = json.loads(process.stdout)
    return answer


def main() -> None:
    """The process that is measured: takes what to do from the command line and prints its figures as JSON."""
    request = json.loads(sys.argv[1])
    ask = _reports if request["what"] == "backtest" else _many
    print(json.dumps(ask(request) | {"peak_mb": peak_mb()}))


def _many(request: dict[str, object]) -> dict[str, float]:
    import analysis
    from analysis.backtesting.trials import SessionTrials

    texts = [text.partition(": ")[2] for text in condition_texts(int(str(request["count"])))]
    everything = pl.scan_parquet(str(request["candles"]))
    is_scan = request["what"] == "scan"
    warm = everything.filter(symbol=_symbol(0)).head(500).collect()
    few = [f"{_symbol(0)} 1h: {text}" for text in texts[:200]]
    analysis.scan(few, warm)
    analysis.sweep(few, warm, trials=SessionTrials())
    return _scanned(texts, everything, request) if is_scan else _swept(texts, everything, request)


def _scanned(texts: list[str], everything: "pl.LazyFrame", request: dict[str, object]) -> dict[str, float]:
    import time

    import analysis
    from registry.conditions import Condition

    spent = {"cpu": 0.0, "parse": 0.0, "write": 0.0, "wall": 0.0, "triggers": 0}
    symbols = [_symbol(number) for number in range(int(str(request["series"])))]
    began = time.process_time()
    conditions = [Condition.parse(f"{symbols[0]} 1h: {text}") for text in texts]
    spent["parse"] = time.process_time() - began
    frame = everything.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    with TemporaryDirectory() as folder:
        for instrument, triggers in analysis.scan_each(conditions, frame, symbols):
            began = time.process_time()
            triggers.write_parquet(Path(folder) / f"{instrument.symbol}.parquet")
            spent["write"] += time.process_time() - began
            spent["triggers"] += triggers.height
        spent["cpu"] = time.process_time() - cpu - spent["write"]
        spent["wall"] = time.perf_counter() - wall
    return spent


def _swept(texts: list[str], everything: "pl.LazyFrame", request: dict[str, object]) -> dict[str, float]:
    import time

    import analysis
    from analysis.backtesting.trials import SessionTrials
    from registry.conditions import Condition

    spent = {"cpu": 0.0, "parse": 0.0, "write": 0.0, "wall": 0.0, "triggers": 0}
    with TemporaryDirectory() as folder:
        for number in range(int(str(request["series"]))):
            began = time.process_time()
            conditions = [Condition.parse(f"{_symbol(number)} 1h: {text}") for text in texts]
            spent["parse"] += time.process_time() - began
            frame = everything.filter(symbol=_symbol(number)).collect()
            wall, cpu = time.perf_counter(), time.process_time()
            swept = analysis.sweep(conditions, frame, trials=SessionTrials(), triggers_to=folder)
            spent["triggers"] += int(swept.frame["triggers"].sum())
            spent["cpu"] += time.process_time() - cpu
            spent["wall"] += time.perf_counter() - wall
    return spent


def _reports(request: dict[str, object]) -> dict[str, float]:
    import statistics
    import time

    import analysis
    from analysis.backtesting.trials import SessionTrials

    took = []
    for number in range(int(str(request["count"])) + 1):
        began = time.perf_counter()
        str(analysis.backtest(_LONG.format(20 + number), str(request["candles"]), trials=SessionTrials()))
        took.append(time.perf_counter() - began)
    return {"first": took[0], "later": statistics.median(took[1:])}


if __name__ == "__main__":
    main()
