"""Conditions as bots send them: one comparison with a constant as a flat JSON object.

    {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "crosses_below", "value": 30, "period": 14}

Every refusal is one :class:`ConditionError` with the JSON pointer of the field.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from indicators.catalogue import Indicator
from registry import vocabulary
from registry.errors import ConditionError, InstrumentError, TimeframeError
from registry.expression import LARGEST_NUMBER, Comparison, IndicatorOutput, Number, Operand, Price, Series
from registry.instruments import Instrument, normalise_exchange, normalise_instrument
from registry.surface import TYPED, Crosses, SurfaceNode
from registry.timeframes import normalise_timeframe

_MOST_FIELDS = 16

_Word = Annotated[str, Field(min_length=1, max_length=64, pattern="^[ -~]*$")]
_Amount = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class FlatCondition(BaseModel):
    """The fields of a flat condition; ``period`` is short for ``params: {"period": ...}``."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    symbol: _Word | None = None
    exchange: _Word | None = None
    timeframe: _Word | None = None
    indicator: _Word
    operator: _Word
    value: _Amount | None = None
    period: _Amount | None = None
    params: Annotated[dict[_Word, _Amount], Field(max_length=_MOST_FIELDS)] | None = None
    component: _Word | None = None
    source: _Word | None = None


def parse(
    data: Mapping[str, object] | str, *, symbol: str | None = None, timeframe: str | None = None, default_exchange: str
) -> tuple[Series, SurfaceNode]:
    """The series and the comparison that a flat condition, or its JSON text, describes.

    ``symbol`` and ``timeframe`` are taken where the condition names none. Raises :class:`ConditionError` for the
    condition, :class:`InstrumentError` or :class:`TimeframeError` for the other arguments.
    """
    flat = _validated(data)
    series = Series(_instrument(flat, symbol, default_exchange), _timeframe(flat, timeframe))
    with _pointing_at("operator"):
        operator = vocabulary.find_comparison(flat.operator)
    left, centre = _operand(flat, series)
    value = flat.value
    if value is None:
        if centre != 0:
            raise ConditionError(
                f"value is missing; {flat.indicator} does not swing around 0, so say what it is compared with",
                pointer="/value",
            )
        value = 0.0
    if operator == "crosses":
        return series, Crosses(left, Number(value))
    return series, Comparison(operator, left, Number(value))


def _validated(data: Mapping[str, object] | str) -> FlatCondition:
    try:
        if isinstance(data, str):
            if len(data) > TYPED.characters:
                raise ConditionError(
                    f"the condition has {len(data)} characters; at most {TYPED.characters} are allowed", pointer=""
                )
            return FlatCondition.model_validate_json(data)
        if len(data) > _MOST_FIELDS:
            raise ConditionError(f"the condition has {len(data)} fields; {_fields()}", pointer="")
        return FlatCondition.model_validate(dict(data))
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False)[0]) from None


def _refusal(detail: ErrorDetails) -> ConditionError:
    """What pydantic found, in a trader's words."""
    # Behind the name of a dictionary's key pydantic puts the marker "[key]".
    path = [ascii(str(part)[:64])[1:-1] for part in detail["loc"] if part != "[key]"]
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    name = ".".join(path) or "the condition"
    shown = _shown(detail["input"])
    match detail["type"]:
        case "missing":
            message = f"{name} is missing; {_fields()}"
        case "extra_forbidden":
            hint = vocabulary.did_you_mean(name, FlatCondition.model_fields)
            message = f"unknown field '{name}'{hint}; {_fields()}"
        case "float_type" | "finite_number" | "float_parsing":
            message = f"{name} must be a finite number, got {shown}"
        case "greater_than_equal" | "less_than_equal":
            message = f"{name} must be between -1e15 and 1e15, got {shown}"
        case "string_type":
            message = f"{name} must be text, got {shown}"
        case "string_too_long" | "string_too_short" | "string_pattern_mismatch" | "string_unicode":
            message = f"{name} must have 1 to 64 printable ASCII characters, got {shown}"
        case "dict_type":
            message = f'{name} must be an object such as {{"period": 14}}, got {shown}'
        case "json_invalid":
            message = f"the condition is not valid JSON: {detail['msg']}"
        case _:
            message = f"{name}: {detail['msg']}"
    return ConditionError(message, pointer=pointer)


def _shown(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case int():
            return str(value) if abs(value) <= LARGEST_NUMBER else "a number far beyond"
        case str():
            return ascii(value if len(value) <= 64 else value[:64] + "...")
    return f"a value of type {type(value).__name__}"


def _fields() -> str:
    return "the fields are " + " ".join(FlatCondition.model_fields)


def _instrument(flat: FlatCondition, symbol: str | None, default_exchange: str) -> Instrument:
    if flat.exchange is not None:
        with _pointing_at("exchange"):
            default_exchange = normalise_exchange(flat.exchange)
    if flat.symbol is not None:
        with _pointing_at("symbol"):
            instrument = normalise_instrument(flat.symbol, default_exchange)
    elif symbol is not None:
        instrument = normalise_instrument(symbol, default_exchange)
    else:
        raise _missing("symbol", "BTCUSDT")
    if flat.exchange is not None and instrument.exchange != default_exchange:
        raise ConditionError(
            f"exchange is {default_exchange}, but the symbol is {instrument}; name the exchange once",
            pointer="/exchange",
        )
    return instrument


def _timeframe(flat: FlatCondition, timeframe: str | None) -> str:
    if flat.timeframe is not None:
        with _pointing_at("timeframe"):
            return normalise_timeframe(flat.timeframe)
    if timeframe is not None:
        return normalise_timeframe(timeframe)
    raise _missing("timeframe", "1h")


def _missing(field: str, example: str) -> ConditionError:
    return ConditionError(
        f"{field} is missing; name it in the condition ({field}: {example}), or give a default", pointer=f"/{field}"
    )


def _operand(flat: FlatCondition, series: Series) -> tuple[Operand, float | None]:
    """What is compared, and the value it swings around."""
    price = vocabulary.find_price(flat.indicator)
    if price is not None:
        for field in ("period", "params", "component", "source"):
            if getattr(flat, field) is not None:
                raise ConditionError(f"{price} is a price: it takes no {field}", pointer=f"/{field}")
        return Price(series, price), None
    with _pointing_at("indicator"):
        record = vocabulary.find_indicator(flat.indicator)
    parameters = _parameters(flat, record)
    with _pointing_at("source"):
        source = vocabulary.find_source(record, flat.source)
    with _pointing_at("component"):
        output = vocabulary.find_output(record, flat.component)
    return IndicatorOutput(series, record.name, parameters, source, output), record.output(output).centre


def _parameters(flat: FlatCondition, record: Indicator) -> tuple[tuple[str, float], ...]:
    given: dict[str, float] = {}
    pointers: dict[str, str] = {}
    fields = [(name, f"/params/{name}", value) for name, value in (flat.params or {}).items()]
    if flat.period is not None:
        fields.append(("period", "/period", flat.period))
    for spelled, pointer, value in fields:
        name = spelled.lower()
        if name in given:
            raise ConditionError(f"{name} is given twice, in {pointers[name]} and in {pointer}", pointer=pointer)
        given[name], pointers[name] = value, pointer
    try:
        return vocabulary.complete_parameters(record, given)
    except ConditionError as error:
        wrong = vocabulary.misfit(record, given)
        raise ConditionError(str(error), pointer=pointers[wrong] if wrong else "/params") from None


@contextmanager
def _pointing_at(field: str) -> Iterator[None]:
    """Turns errors about a value into errors about the field that holds it."""
    try:
        yield
    except (ConditionError, InstrumentError, TimeframeError) as error:
        raise ConditionError(f"{field}: {error}", pointer=f"/{field}") from error
