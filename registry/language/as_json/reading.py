"""Conditions as JSON: ``{"symbol", "timeframe", "when": <tree>}``, or one flat object
(``registry.language.as_json.flat``).

    {"symbol": "BTCUSDT", "timeframe": "1h", "when": {"all": [
        {"left": {"indicator": "rsi"}, "operator": "crosses_below", "right": 30},
        {"value": {"price": "close"}, "operator": "rises_by", "percent": 5, "bars": 3},
        "close > sma(200)@4h"]}}

A tree is one of ``all any not at_least for within before then every`` around trees, a ``during``, an object with an
``operator``, or the text of an expression. An operand is a number, the text of one, ``{"price": ...}``,
``{"indicator": ...}``, ``{"operator": "+", "left": ..., "right": ...}``, ``{"abs": ...}``, ``{"min": [...]}`` or
``{"max": [...]}``. Every error is a :class:`ConditionError` with the JSON pointer of what is wrong.
"""

from collections.abc import Mapping

from common.errors import ConditionError
from common.timeframes import normalise_timeframe
from registry.groups import Series
from registry.instruments import Instrument, normalise_exchange
from registry.language.as_json import flat
from registry.language.as_json.objects import JsonObject, SymbolText, Word, from_text, pointing_at, shown, validated
from registry.language.as_json.tree import TreeReader
from registry.language.limits import TYPED
from registry.language.lookback import check_lookback
from registry.language.surface import SurfaceNode, check_size, check_windows
from registry.naming import read_instrument


class ExpressionCondition(JsonObject):
    """The fields of a condition whose expression is a tree."""

    symbol: SymbolText | None = None
    exchange: Word | None = None
    timeframe: Word | None = None
    when: object


def parse(
    data: Mapping[str, object] | str, *, symbol: str | None = None, timeframe: str | None = None, default_exchange: str
) -> tuple[Series, SurfaceNode]:
    """The series and the tree that an object, or its JSON text, describes.

    ``symbol`` and ``timeframe`` are used where the condition names none. Raises :class:`ConditionError` for the
    condition, :class:`InstrumentError` or :class:`TimeframeError` for the other arguments.
    """
    source = from_text(data) if isinstance(data, str) else data
    if not isinstance(source, Mapping):
        raise ConditionError(f"a condition is an object, got {shown(source)}", pointer="")
    model: ExpressionCondition | flat.FlatCondition
    model = validated(ExpressionCondition, source) if "when" in source else flat.read(source)
    series = Series(_instrument(model, symbol, default_exchange), _timeframe(model, timeframe))
    if isinstance(model, flat.FlatCondition):
        tree, pointer = flat.node(model, series), ""
    else:
        tree, pointer = TreeReader(series).node(model.when, "/when"), "/when"
    with pointing_at(pointer):
        check_size(tree, TYPED)
        check_lookback(tree, series)
        check_windows(tree, series.timeframe)
    return series, tree


def _instrument(
    model: ExpressionCondition | flat.FlatCondition, symbol: str | None, default_exchange: str
) -> Instrument:
    if model.exchange is not None:
        with pointing_at("/exchange"):
            default_exchange = normalise_exchange(model.exchange)
    if model.symbol is not None:
        with pointing_at("/symbol"):
            instrument = read_instrument(model.symbol, default_exchange)
    elif symbol is not None:
        instrument = read_instrument(symbol, default_exchange)
    else:
        raise _missing("symbol", "BTCUSDT")
    if model.exchange is not None and instrument.exchange != default_exchange:
        raise ConditionError(
            f"exchange is {default_exchange}, but the symbol is {instrument}; name the exchange once",
            pointer="/exchange",
        )
    return instrument


def _timeframe(model: ExpressionCondition | flat.FlatCondition, timeframe: str | None) -> str:
    if model.timeframe is not None:
        with pointing_at("/timeframe"):
            return normalise_timeframe(model.timeframe)
    if timeframe is not None:
        return normalise_timeframe(timeframe)
    raise _missing("timeframe", "1h")


def _missing(field: str, example: str) -> ConditionError:
    return ConditionError(
        f"{field} is missing; name it in the condition ({field}: {example}), or set a default", pointer=f"/{field}"
    )
