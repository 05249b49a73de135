"""The isolated bot: it shares nothing, and does its own work as efficiently as it can.

It loads the candles it needs from the hub's own file with a query for just the columns it reads, computes its indicator
over them, and compares the last two values. The query is prepared once, before anything is timed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb
import numpy as np
import talib
from numpy.typing import NDArray

from benchmarks.hub import STEP_MS
from benchmarks.peers.talib_calls import CALLS
from indicators import compute
from indicators.catalogue import find
from registry.conditions import Condition
from registry.language.tree import Comparison, IndicatorOutput, Number, Operand, Price

Columns = dict[str, NDArray[np.float64]]
Pair = tuple[float, float]
"""A value on the previous candle and on the candle itself."""

Outputs = tuple[NDArray[np.float64], ...]

Key = tuple[str, tuple[tuple[str, float], ...]]
"""An indicator and its parameters."""

Library = Literal["TA-Lib", "ours"]


@dataclass
class LoneBot:
    """One subscription by itself."""

    condition: Condition
    library: Library
    comparison: Comparison = field(init=False)

    def __post_init__(self) -> None:
        assert isinstance(self.condition.tree, Comparison), f"{self.condition} is not one comparison"
        self.comparison = self.condition.tree
        (needed,) = self.condition.needed.values()
        self._span_ms = (needed.settle + 2) * STEP_MS
        self._series = str(self.condition.series)
        self._indicators = {
            (side.indicator, side.parameters): _computing(side, self.library)
            for side in (self.comparison.left, self.comparison.right)
            if isinstance(side, IndicatorOutput)
        }
        prices = [s.field for s in (self.comparison.left, self.comparison.right) if isinstance(s, Price)]
        inputs = [name for key in self._indicators for name in CALLS[key[0]].inputs]
        self._query = (
            f"SELECT {', '.join(dict.fromkeys([*inputs, *prices]))} FROM candles WHERE series_id = ?"
            " AND open_time >= make_timestamp_ms(?) AND open_time < make_timestamp_ms(?) ORDER BY open_time"
        )

    def load(self, store: "CandleFile", close_ms: int) -> Columns:
        """Its candles up to the one that closes at a time."""
        return store.read(self._query, self._series, close_ms - self._span_ms, close_ms)

    def compute(self, columns: Columns) -> tuple[Pair, Pair]:
        """Both sides of its comparison."""
        computed = {key: work(columns) for key, work in self._indicators.items()}
        left, right = self.comparison.left, self.comparison.right
        return _side(left, columns, computed), _side(right, columns, computed)

    def check(self, left: Pair, right: Pair) -> bool:
        """Whether it fires: a crossing when it happens, anything else when it becomes true."""
        (a_before, a), (b_before, b) = left, right
        match self.comparison.operator:
            case ">" | "crosses_above":
                return a > b and a_before <= b_before
            case "<" | "crosses_below":
                return a < b and a_before >= b_before
            case operator:
                raise ValueError(f"a lone bot does not know {operator}")


class CandleFile:
    """The hub's candles as a bot opens them: read-only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._ids = dict(connection.execute("SELECT series, series_id FROM series").fetchall())

    def read(self, query: str, series: str, start_ms: int, stop_ms: int) -> Columns:
        """The columns of a query."""
        return self._connection.execute(query, [self._ids[series], start_ms, stop_ms]).fetchnumpy()


def _computing(side: IndicatorOutput, library: Library) -> Callable[[Columns], Outputs]:
    parameters: dict[str, Any] = dict(side.parameters)
    if library == "ours":
        source = side.source
        assert source is None or isinstance(source, str)
        return lambda columns: tuple(compute(side.indicator, columns, source=source, **parameters).values())
    call = CALLS[side.indicator]
    function, options = getattr(talib, call.function), call.values(parameters)

    def work(columns: Columns) -> Outputs:
        outputs = function(*[columns[name] for name in call.inputs], *options)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    return work


def _side(side: Operand, columns: Columns, computed: Mapping[Key, Outputs]) -> Pair:
    match side:
        case Number(value):
            return value, value
        case Price(_, name):
            values = columns[name]
        case IndicatorOutput():
            outputs = [output.name for output in find(side.indicator).outputs]
            values = computed[side.indicator, side.parameters][outputs.index(side.output)]
        case _:
            raise ValueError(f"a lone bot does not know {side}")
    return float(values[-2]), float(values[-1])
