"""The measurements on the page of indicators, taken by fixed procedures on the shipped real candles.

``python -m tests.indicators.measuring`` (``make measure``) writes ``docs/indicators-measured.json``.
"""

import json
import sys

import numpy as np

from indicators.catalogue import Indicator, catalogue
from indicators.codegen.page import MEASURED
from indicators.compute import Array, input_arrays, scan, start
from tests.indicators.reference import Columns, computed

UNSETTLED = 1e-6
"""The smallest difference from another start that counts, as a share of the output's largest value on the market."""

FIRST_START, START_EVERY = 100, 333
"""The candles at which other histories start."""


def measured_settling(record: Indicator, parameters: dict[str, float], markets: dict[str, Columns]) -> int:
    """Candles after which no other start makes a difference: the worst of all starts in all markets."""
    lookback, settle = record.lookback(parameters), record.settle(parameters)
    worst = lookback
    for columns in markets.values():
        whole = _history(record, parameters, columns)
        scale = np.nanmax(np.abs(whole), axis=1, keepdims=True)
        for begin in range(FIRST_START, columns["close"].size - settle, START_EVERY):
            restarted = _history(record, parameters, {name: values[begin:] for name, values in columns.items()})
            away = np.abs(restarted[:, lookback:] - whole[:, begin + lookback :]) >= UNSETTLED * scale
            worst = max(worst, lookback + 1 + int(np.flatnonzero(away.any(axis=0)).max(initial=-1)))
    return worst


def measured_difference(record: Indicator, markets: dict[str, Columns]) -> float:
    """The largest distance from the oracle, as a share of the scale, over all outputs and markets."""
    from tests.indicators.test_talib import ORACLES, scale_of

    parameters, worst = record.complete({}), 0.0
    for columns in markets.values():
        ours = computed(record.name, columns, parameters)
        for name, theirs in ORACLES[record.name](columns, parameters).items():
            scale = scale_of(record, name, theirs, columns["close"])
            worst = max(worst, float(np.nanmax(np.abs(ours[name] - theirs))) / scale)
    return worst


def measure(record: Indicator, markets: dict[str, Columns]) -> dict[str, object]:
    """What the page says of an entry."""
    import talib

    from tests.indicators.reference import cumulative
    from tests.indicators.test_talib import TALIB

    parameters = record.complete({})
    against = f"TA-Lib {talib.__version__}" if record.name in TALIB else "the definition, in numpy"
    settle = None if cumulative(record, parameters) else measured_settling(record, parameters, markets)
    # One digit, rounded up: what another processor rounds differently should not change the page.
    difference = measured_difference(record, markets)
    digits = 10.0 ** np.floor(np.log10(difference)) if difference else 1.0
    shown = float(f"{np.ceil(difference / digits) * digits:.0e}")
    return {"settle": settle, "against": against, "difference": shown}


def _history(record: Indicator, parameters: dict[str, float], columns: Columns) -> Array:
    return scan(record, parameters, start(record, parameters), input_arrays(record, columns))


def main() -> None:
    """Measure the whole catalogue."""
    from tests.indicators.markets import hourly_markets

    markets = hourly_markets()
    measured = {}
    for name, record in catalogue().items():
        measured[name] = measure(record, markets)
        sys.stderr.write(f"{name}: {measured[name]}\n")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in measured.items())
    MEASURED.write_text(f"{{\n{lines}\n}}\n", "utf-8")


if __name__ == "__main__":
    main()
