"""vectorbt and backtesting.py, by the same rules as ours, in an environment of their own.

Takes a request as JSON on the command line and prints its answer as JSON. The rules: RSI(14) crosses below a level on a
close, entry at the next open; it crosses above another level, exit at the next open; a fee on each fill.

vectorbt smooths its RSI by span: its window 27 is Wilder's 14. backtesting.py has no indicators; it gets the same one.
Both begin their averages with the first change instead of the mean of fourteen, which fades.
"""

import json
import sys
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.timing import peak_mb

Trades = list[tuple[int, int, float]]
"""Row of the entry, row of the exit, and return before costs."""


def rsi(close: Any) -> Any:
    """Wilder's, of a pandas series."""
    change = close.diff()
    up = change.clip(lower=0).ewm(span=27, min_periods=27, adjust=False).mean()
    down = (-change.clip(upper=0)).ewm(span=27, min_periods=27, adjust=False).mean()
    return 100 - 100 / (1 + up / down)


def vectorbt(columns: dict[str, Any], pairs: list[tuple[float, float]], fee: float) -> tuple[list[Trades], list[float]]:
    """All pairs at once, its way."""
    import pandas as pd
    import vectorbt as vbt

    close, opens = pd.Series(columns["close"]), pd.Series(columns["open"])
    indicator = vbt.RSI.run(close, window=27, ewm=True)
    entries = indicator.rsi_crossed_below([low for low, _ in pairs]).vbt.signals.fshift(1)
    exits = indicator.rsi_crossed_above([high for _, high in pairs]).vbt.signals.fshift(1)
    exits.columns = entries.columns = range(len(pairs))
    folio = vbt.Portfolio.from_signals(close, entries, exits, price=opens, fees=fee, freq="1h")
    records = folio.trades.records
    grown = np.asarray(folio.final_value() / folio.init_cash).tolist()
    trades: list[Trades] = [[] for _ in pairs]
    for column, begin, end, paid, got, status in zip(
        *(
            records[name].to_numpy().tolist()
            for name in ("col", "entry_idx", "exit_idx", "entry_price", "exit_price", "status")
        ),
        strict=True,
    ):
        if status == 1:
            trades[column].append((begin, end, got / paid - 1))
    return trades, grown


def backtesting(
    columns: dict[str, Any], pairs: list[tuple[float, float]], fee: float
) -> tuple[list[Trades], list[float]]:
    """Pair by pair: it has no other way."""
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    index = pd.date_range("2024-01-01", periods=len(columns["close"]), freq="h")
    frame = pd.DataFrame({name.title(): columns[name] for name in ("open", "high", "low", "close")}, index=index)

    class Crossing(Strategy):  # type: ignore[misc]
        low, high = 30.0, 70.0

        def init(self) -> None:
            self.value = self.I(lambda close: rsi(pd.Series(close)).to_numpy(), self.data.Close)

        def next(self) -> None:
            if self.position:
                if crossover(self.value, self.high):
                    self.position.close()
            elif crossover(self.low, self.value):
                self.buy()

    trades, grown = [], []
    for low, high in pairs:
        result = Backtest(frame, Crossing, cash=1e12, commission=fee).run(low=low, high=high)
        rows = result["_trades"]
        trades.append(
            list(
                zip(
                    rows["EntryBar"].tolist(),
                    rows["ExitBar"].tolist(),
                    (rows["ExitPrice"] / rows["EntryPrice"] - 1).tolist(),
                    strict=True,
                )
            )
        )
        grown.append(float(result["Equity Final [$]"]) / 1e12)
    return trades, grown


def main() -> None:
    """Answer one request."""
    warnings.simplefilter("ignore")
    request = json.loads(sys.argv[1])
    with np.load(request["candles"]) as file:
        columns = {name: file[name] for name in file.files}
    run = {"vectorbt": vectorbt, "backtesting": backtesting}[request["library"]]
    pairs = [tuple(pair) for pair in request["pairs"]]
    short = {name: values[:500] for name, values in columns.items()}
    # One pair would be compiled as a series, several are a frame.
    run(short, pairs[:2], request["fee"])
    started = time.process_time()
    trades, grown = run(columns, pairs, request["fee"])
    print(
        json.dumps(
            {
                "cpu": time.process_time() - started,
                "peak_mb": peak_mb(),
                "trades": trades if request["with_trades"] else [len(each) for each in trades],
                "grown": grown,
            }
        )
    )


if __name__ == "__main__":
    main()
