"""After warming, a process compiles nothing more, whatever it judges."""

import polars as pl

import analysis
from engine.history_truths import import_history_kernels
from engine.warming import warm


def test_histories_are_warm_whatever_their_length(sample: pl.DataFrame) -> None:
    warm(lambda _: None)
    kernels = import_history_kernels()
    compiled = kernels.judge_block, kernels.count_firings, kernels.list_firings
    before = [len(kernel.signatures) for kernel in compiled]
    candles = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "5m")).head(5000)
    texts = ["BTCUSDT 5m: close > open and rsi(14) < 40", "BTCUSDT 5m: every(rsi(14) < rsi(14)[1] within 3 bars)"]
    for text in texts:
        assert analysis.scan(text, candles).height
    assert [len(kernel.signatures) for kernel in compiled] == before
