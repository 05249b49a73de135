"""How much an answer on demand has to compute, known before it is begun: candles times operands."""

from collections.abc import Mapping
from dataclasses import replace

from common.errors import TooMuchWork
from common.timeframes import DURATION_MS
from engine.candle_history import CandleHistory
from engine.read_alike import memory
from registry.conditions import Condition
from registry.groups import Series
from registry.language.desugar import desugar
from registry.language.tree import operands, readings

_HOUR_MS = DURATION_MS["1h"]
_DAY_MS = DURATION_MS["1d"]


def check_explanation(condition: Condition, histories: Mapping[Series, CandleHistory], most_values: int) -> None:
    """Raises :class:`common.errors.TooMuchWork` if explaining one candle takes more than so many values."""
    written = desugar(condition.surface, condition.series)
    judged = memory(written) + 2
    size = _operands(condition)
    values = _values_moved(condition, histories) + judged * size
    if values > most_values:
        raise TooMuchWork(
            f"this explanation would take {values:,} values: those of its indicators since their first candles, and"
            f" {size:,} operands over {judged:,} candles; at most {most_values:,} are allowed: look back over fewer"
            " candles, or judge it on a longer timeframe"
        )


def check_preview(
    condition: Condition,
    histories: Mapping[Series, CandleHistory],
    most_values: int,
    *,
    start_ms: int,
    end_ms: int,
) -> None:
    """Raises :class:`common.errors.TooMuchWork` if a preview of a span takes more than so many values."""
    length, size = DURATION_MS[condition.timeframe], _operands(condition)
    history = histories[condition.series]
    before = memory(condition.tree) + 2
    begin, end = max(start_ms, history.first_open_ms), min(end_ms, history.last_open_ms)
    candles = max(0, end - begin) // length + 1 + before
    moved = _values_moved(condition, histories)
    if moved + candles * size <= most_values:
        return
    most_candles = (most_values - moved) // size - before
    raise TooMuchWork(
        f"this preview would take {moved + candles * size:,} values, {size:,} operands over {candles:,} candles;"
        f" at most {most_values:,} are allowed: "
        + (
            f"ask for a span of at most {_spoken(most_candles * length)}"
            if most_candles * length >= _HOUR_MS
            else "look back over fewer candles, or judge it on a longer timeframe"
        )
    )


def _operands(condition: Condition) -> int:
    """The different operands of the canonical form."""
    return len(set(operands(condition.tree)))


def _values_moved(condition: Condition, histories: Mapping[Series, CandleHistory]) -> int:
    """Candles times what is read of them, for all series, those that sources are computed from included."""
    total = 0
    for variable in {replace(variable, offset=0) for variable in readings(condition.tree)}:
        history = histories[variable.series]
        total += (history.last_open_ms - history.first_open_ms) // DURATION_MS[variable.series.timeframe] + 1
    return total


def _spoken(span_ms: int) -> str:
    return f"{span_ms // _DAY_MS} days" if span_ms >= 2 * _DAY_MS else f"{span_ms // _HOUR_MS} hours"
