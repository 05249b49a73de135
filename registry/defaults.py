"""Symbol and timeframe for conditions that do not name them.

    with defaults(symbol="BTCUSDT", timeframe="1h"):
        Condition.parse({"indicator": "RSI", "operator": "<", "value": 30})

Clients of the hub in the same block use them too: they are those of :mod:`condition_hub.series_defaults`, checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from common.timeframes import normalise_timeframe
from condition_hub import series_defaults
from registry.instruments import normalise_instrument
from registry.language.as_text.text import names_series


@contextmanager
def defaults(*, symbol: str | None = None, timeframe: str | None = None) -> Iterator[None]:
    """Within the block, conditions that name no symbol or timeframe get these.

    Raises :class:`InstrumentError` or :class:`TimeframeError` for malformed ones.
    """
    if symbol is not None:
        normalise_instrument(symbol, "BINANCE")
    if timeframe is not None:
        normalise_timeframe(timeframe)
    with series_defaults.defaults(symbol=symbol, timeframe=timeframe, names_series=names_series):
        yield
