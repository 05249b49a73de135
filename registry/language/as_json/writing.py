"""A tree as JSON that ``registry.language.as_json.tree`` reads back."""

from indicators.catalogue import catalogue
from registry.groups import Series
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    Function,
    IndicatorOutput,
    Not,
    Number,
    Operand,
    Price,
    Within,
)


def node_to_json(node: SurfaceNode, base: Series) -> dict[str, object]:  # noqa: PLR0911 - one return for each kind of node
    """A tree of a condition of ``base``."""
    match node:
        case All(children):
            return {"all": [node_to_json(child, base) for child in children]}
        case Any(children):
            return {"any": [node_to_json(child, base) for child in children]}
        case AtLeast(count, children):
            return {"at_least": {"count": count, "of": [node_to_json(child, base) for child in children]}}
        case Not(child):
            return {"not": node_to_json(child, base)}
        case For(child, bars) | Within(child, bars):
            return {"for" if isinstance(node, For) else "within": {"bars": bars, "of": node_to_json(child, base)}}
        case During():
            return {"during": _window(node)}
        case Before(child):
            return {"before": node_to_json(child, base)}
        case Then(first, second, bars):
            sides = {"first": node_to_json(first, base), "second": node_to_json(second, base)}
            return {"then": {**sides, "bars": bars}}
        case Every(child):
            return {"every": node_to_json(child, base)}
        case Comparison() | Crosses() | Channel() | PriceMove() | Trend():
            return _leaf(node, base)


def operand_to_json(operand: Operand, base: Series) -> object:
    """An operand of a condition of ``base``. Defaults are left out, except for those of parameters."""
    match operand:
        case Number(value):
            return _number(value)
        case Price(series, field, offset):
            return {"price": field, **_place(series, offset, base)}
        case IndicatorOutput(series, name, parameters, source, output, offset):
            record = catalogue()[name]
            written: dict[str, object] = {"indicator": name}
            if parameters:
                written["params"] = {key: _number(value) for key, value in parameters}
            if len(record.outputs) > 1:
                written["output"] = output
            if source not in (None, record.default_source):
                written["source"] = source if isinstance(source, str) else operand_to_json(source, series)
            return written | _place(series, offset, base)
        case Arithmetic(operator, left, right):
            return {"left": operand_to_json(left, base), "operator": operator, "right": operand_to_json(right, base)}
        case Function("abs", (inner,)):
            return {"abs": operand_to_json(inner, base)}
        case Function(name, operands):
            return {name: [operand_to_json(part, base) for part in operands]}


def _leaf(leaf: Comparison | Crosses | Channel | PriceMove | Trend, base: Series) -> dict[str, object]:
    match leaf:
        case Comparison(_, left, right) | Crosses(left, right):
            operator = leaf.operator if isinstance(leaf, Comparison) else "crosses"
            return {"left": operand_to_json(left, base), "operator": operator, "right": operand_to_json(right, base)}
    value: dict[str, object] = {"value": operand_to_json(leaf.value, base), "operator": leaf.operator}
    match leaf:
        case Channel(_, _, low, high):
            return value | {"low": operand_to_json(low, base), "high": operand_to_json(high, base)}
        case PriceMove(_, _, amount, percent, bars):
            how = "percent" if percent else "amount"
            return value | {how: operand_to_json(amount, base), "bars": bars}
        case Trend(_, _, bars):
            return value | {"bars": bars}


def _window(window: During) -> dict[str, object]:
    written: dict[str, object] = {}
    if not window.is_whole_day:
        written["start"], written["end"] = window.times
    if window.day_ranges:
        written["days"] = window.day_ranges
    return written if window.zone == "UTC" else {**written, "zone": window.zone}


def _place(series: Series, offset: int, base: Series) -> dict[str, object]:
    place: dict[str, object] = {}
    if offset:
        place["offset"] = offset
    if series.timeframe != base.timeframe:
        place["timeframe"] = series.timeframe
    if series.instrument != base.instrument:
        place["symbol"] = str(series.instrument)
    return place


def _number(value: float) -> float:
    """Whole numbers without a point, as people write them."""
    return int(value) if value == int(value) else value
