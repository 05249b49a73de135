"""JSON objects read level by level: pydantic says what is wrong with one, and the error names its whole path.

Every error is a :class:`ConditionError` with the JSON pointer of what is wrong.
"""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json

from common.errors import ConditionError, InstrumentError, TimeframeError
from common.spelling import did_you_mean
from condition_hub.json_pointers import step
from registry.language.tree import LARGEST_NUMBER

LONGEST_JSON = 65_536
"""Characters of a condition as JSON text."""
MOST_FIELDS = 16
"""Fields of one object."""

OTHER_NAMES = {
    "compare_value": "value", "threshold": "value", "level": "value", "target_value": "value", "points": "value",
    "op": "operator", "comparison": "operator", "comparator": "operator", "cmp": "operator", "condition": "operator",
    "trigger_condition": "operator", "type": "indicator", "name": "indicator", "strategy": "indicator",
    "study": "indicator", "key": "indicator", "field": "indicator", "metric": "indicator",
    "parameters": "params", "output": "component", "line": "component", "length": "period",
    "window": "period", "timeperiod": "period", "time_period": "period", "interval": "timeframe", "time": "timeframe",
    "tf": "timeframe", "pair": "symbol", "market": "symbol",
}  # fmt: skip
"""What other platforms call the fields of a flat condition, with ``_`` between words."""

Word = Annotated[str, Field(min_length=1, max_length=64, pattern="^[ -~]*$")]
SymbolText = Annotated[str, Field(min_length=1, max_length=64)]
"""Of an instrument: whatever its exchange calls it. :mod:`registry.symbols` says which characters a symbol has."""
OperatorWord = Annotated[str, Field(min_length=1, max_length=64, pattern="^[ -~\u2264\u2265]*$")]
Amount = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Amounts = Annotated[dict[Word, Amount], Field(max_length=MOST_FIELDS)]


class JsonObject(BaseModel):
    """One object; values of type ``object`` are read by the code that knows what they may be."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


Model = TypeVar("Model", bound=JsonObject)


def from_text(text: str) -> object:
    """The value of a JSON text."""
    if len(text) > LONGEST_JSON:
        message = f"the condition has {len(text)} characters; at most {LONGEST_JSON} are allowed"
        raise ConditionError(message, pointer="")
    try:
        # A lone surrogate is not JSON, but without this it could not even be encoded.
        return from_json(text.encode(errors="surrogatepass"))
    except ValueError as error:
        raise ConditionError(f"the condition is not valid JSON: {error}", pointer="") from None


def validated(model: type[Model], data: Mapping[str, object], pointer: str = "") -> Model:
    """``data`` as a ``model``; ``pointer`` is its place."""
    if len(data) > MOST_FIELDS:
        raise ConditionError(f"{_name(pointer)} has {len(data)} fields; {_fields(model)}", pointer=pointer)
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise _refusal(model, error.errors(include_url=False, include_context=False)[0], pointer) from None


def number(value: object, pointer: str) -> float:
    """``value``, if it is a number that a condition may contain."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ConditionError(f"{_name(pointer)} must be a finite number, got {shown(value)}", pointer=pointer)
    if abs(value) > LARGEST_NUMBER:
        raise ConditionError(f"{_name(pointer)} must be between -1e15 and 1e15, got {shown(value)}", pointer=pointer)
    return float(value)


class pointing_at:  # noqa: N801 - read as a word of a with statement
    """Turns errors without a place into errors about the field at ``pointer``, or about its field ``part``."""

    # A generator would be shorter but take five times as long, and a condition enters nine of these.
    __slots__ = ("_part", "_pointer")

    def __init__(self, pointer: str, part: str | None = None) -> None:
        self._pointer = pointer
        self._part = part

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, ConditionError | InstrumentError | TimeframeError):
            return
        if isinstance(error, ConditionError) and error.pointer is not None:
            return
        pointer = self._pointer if self._part is None else step(self._pointer, self._part)
        at = error.position if isinstance(error, ConditionError) else None
        raise ConditionError(f"{_name(pointer)}: {error}", position=at, pointer=pointer) from error


def shown(value: object) -> str:
    """``value`` in a message: short, and harmless to a terminal."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case int():
            return str(value) if abs(value) <= LARGEST_NUMBER else "a far larger number"
        case str():
            return ascii(value if len(value) <= 64 else value[:64] + "...")
    return f"a value of type {type(value).__name__}"


def _refusal(model: type[JsonObject], detail: ErrorDetails, pointer: str) -> ConditionError:
    """What pydantic complains about, in a trader's words."""
    # After the name of a dictionary's key, pydantic puts the marker "[key]".
    for part in detail["loc"]:
        pointer = step(pointer, part) if part != "[key]" else pointer
    name, got = _name(pointer), shown(detail["input"])
    match detail["type"]:
        case "missing":
            message = f"{name} is missing; {_fields(model)}"
        case "extra_forbidden":
            known = _field_names(model)
            field = str(detail["loc"][-1])[:64]
            meant = OTHER_NAMES.get(field.lower())
            hint = f" (did you mean {meant}?)" if meant in known else did_you_mean(field, known)
            message = f"unknown field '{name}'{hint}; {_fields(model)}"
        case "float_type" | "finite_number" | "float_parsing":
            message = f"{name} must be a finite number, got {got}"
        case "greater_than_equal" | "less_than_equal":
            message = f"{name} must be between -1e15 and 1e15, got {got}"
        case "string_type":
            message = f"{name} must be text, got {got}"
        case "string_too_long" | "string_too_short" | "string_pattern_mismatch" | "string_unicode":
            message = f"{name} must have 1 to 64 printable ASCII characters, got {got}"
        case "dict_type":
            message = f'{name} must be an object such as {{"period": 14}}, got {got}'
        case _:
            message = f"{name}: {detail['msg']}, got {got}"
    return ConditionError(message, pointer=pointer)


def _name(pointer: str) -> str:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return ".".join(parts) or "the condition"


def _field_names(model: type[JsonObject]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _fields(model: type[JsonObject]) -> str:
    return "the fields are " + " ".join(_field_names(model))
