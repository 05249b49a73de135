"""A year of 1m candles judged by thousands of conditions in one call of ``analysis.scan``."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from benchmarks import candles
from benchmarks.peers.process import ROOT, Peers
from benchmarks.report import Section, Table, at_most, figure
from benchmarks.scale import Scale
from benchmarks.timing import peak_mb

_SECONDS = 60.0


def scan(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Run a scan in a process of its own, whose memory is measured; kernels are loaded before the clock starts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with TemporaryDirectory() as folder:
        # Making the candles takes more memory than scanning them.
        file = Path(folder) / "candles.parquet"
        candles.frame(candles.series(scale.scan_candles, timeframe="1m"), "BTCUSDT", "1m").write_parquet(file)
        request = json.dumps({"conditions": scale.scan_conditions, "candles": str(file)})
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.scan", request],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    measured = json.loads(process.stdout)
    judged = scale.scan_conditions * scale.scan_candles
    rows = [
        ["CPU seconds, parsing and planning among them", figure(measured["cpu"])],
        ["seconds on the clock (the machine was shared)", figure(measured["wall"])],
        ["of the CPU seconds, parsing the conditions", figure(measured["parse"])],
        ["triggers", f"{measured['triggers']:,}"],
        ["ns a condition and candle", figure(measured["cpu"] / judged * 1e9)],
        ["peak memory, MB", figure(measured["peak_mb"])],
        ["of it before the scan (libraries, kernels, candles), MB", figure(measured["before_mb"])],
        ["of it the answer, a row a trigger, MB", figure(measured["answer_mb"])],
    ]
    remark = (
        f"{scale.scan_conditions:,} unique conditions on {scale.scan_candles:,} 1m candles of one symbol, once: "
        "thresholds and crossings of RSI, MACD, Bollinger bands, stochastics and averages with many periods, and "
        "combinations of two. The candles are the sample's, as in the section on long histories. Values are "
        "computed for 4,096 candles at a time: what a scan needs beside its answer does not grow with the history."
    )
    target = at_most(
        f"analysis.scan, {scale.scan_conditions:,} conditions on {scale.scan_candles:,} candles, CPU",
        _SECONDS,
        measured["cpu"],
        " s",
    )
    title = f"Scanning {scale.scan_candles:,} candles for {scale.scan_conditions:,} conditions"
    return Section(title, [Table(remark, ("what", "measured"), rows)], [target])


def condition_texts(count: int, seed: int = 5) -> list[str]:
    """Different conditions of one series, as an analyst would try them out."""
    dice = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < count:
        period, other = dice.randint(5, 100), dice.randint(101, 250)
        level, width = dice.randint(10, 45), dice.randint(2, 12) / 4
        made = (
            f"rsi({period}) crosses_below {level}",
            f"rsi({period}) crosses_above {100 - level}",
            f"rsi({period}) < {level}",
            f"ema({period}) crosses_above ema({other})",
            f"sma({period}) crosses_below sma({other})",
            f"close crosses_below bbands({period}, {width:g}).lower",
            f"close > bbands({period}, {width:g}).upper for 2 bars",
            f"macd({period}, {other}, 9).histogram crosses_above 0",
            f"stoch({period}, 3, 3).k crosses_above stoch({period}, 3, 3).d and stoch({period}, 3, 3).k < {level}",
            f"all(rsi(14) crosses_below {level}, close > sma({other}))",
            f"close crosses_above highest({other})[1] and atr({period}) > atr({other})",
            f"any(rsi({period}) < {level}, williams_r({period}) < -{100 - level / 4:g}) within 3 bars",
        )
        texts[f"BTCUSDT 1m: {dice.choice(made)}"] = None
    return list(texts)


def main() -> None:
    """The process that is measured: takes its sizes from the command line and prints its figures as JSON."""
    import time

    import analysis
    from engine.history import TRIGGER_SCHEMA
    from registry.conditions import Condition

    wanted = json.loads(sys.argv[1])
    texts = condition_texts(wanted["conditions"])
    frame = pl.read_parquet(wanted["candles"])
    # If no other process has filled the cache of kernels, this call does.
    warm = analysis.scan(texts[:200], frame[:500])
    assert warm.columns == list(TRIGGER_SCHEMA)
    before = peak_mb()
    shown = [0]

    def progress(done: int, total: int) -> None:
        if done * 10 // total > shown[0]:
            shown[0] = done * 10 // total
            print(f"  {done:,} of {total:,} candles", file=sys.stderr, flush=True)

    wall, cpu = time.perf_counter(), time.process_time()
    parsed = [Condition.parse(text) for text in texts]
    parse = time.process_time() - cpu
    triggers = analysis.scan(parsed, frame, progress=progress)
    answer = {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "parse": parse,
        "triggers": triggers.height,
        "before_mb": before,
        "answer_mb": triggers.estimated_size("mb"),
        "peak_mb": peak_mb(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
