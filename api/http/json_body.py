"""Strict reading of JSON bodies: anything that two parsers could read differently, or fail on, is refused."""

import json
import math
import re
from typing import Any, NoReturn

import msgspec

DEEPEST = 32
"""Levels of objects and lists in a body."""
MOST_VALUES = 100_000
"""Values in a body: a thousand conditions with a hundred values each."""
_LONGEST_INTEGER = 310
"""Characters of an integer, with its sign: about the range of a double."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")
_UNUSUAL_NUMBER = re.compile(rb"\d{18}|\d[eE]|-0")
"""Numbers that libraries read differently: long ones, exponents, and the negative 0."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyError(ValueError):
    """A body that is not JSON as the API accepts it. The message never quotes the body, which may be private."""


def read_json(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8; raises :class:`BodyError`.

    Besides invalid JSON, it refuses duplicate fields of an object, NaN and infinities, numbers outside the range of a
    double, lone surrogates, more than ``DEEPEST`` levels, and more than ``MOST_VALUES`` values.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BodyError(f"the body is not UTF-8: byte {error.start} is invalid") from None
    outside = _STRING.sub(b"", raw)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > MOST_VALUES:
        raise BodyError(f"the body has too many values; at most {MOST_VALUES:,} are allowed, so send less at once")
    if _depth(outside) > DEEPEST:
        raise BodyError(f"the body is nested too deeply; at most {DEEPEST} levels are allowed")
    if b"\\u" not in raw and _UNUSUAL_NUMBER.search(outside) is None:
        # What remains is read alike by everybody, apart from duplicate fields: then there are fewer fields than colons.
        try:
            plain = msgspec.json.decode(raw)
        except (ValueError, RecursionError):
            pass
        else:
            if _fields(plain) == outside.count(b":"):
                return plain
    return _read_strictly(text)


def _read_strictly(text: str) -> Any:
    """The value of a JSON text that has few values and levels; raises :class:`BodyError` that says what is wrong."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BodyError(f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except BodyError:
        raise
    except (ValueError, RecursionError):
        raise BodyError("the body is not JSON: it cannot be parsed") from None
    # Only an escape can produce one: unescaped, it would not be valid UTF-8.
    if "\\u" in text and _has_surrogate(value):
        raise BodyError("a string in the body has half of a surrogate pair (\\ud800 to \\udfff)")
    return value


def _fields(value: Any) -> int:
    """Number of fields of all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum(_fields(each) for each in value.values() if isinstance(each, dict | list))
    if isinstance(value, list):
        return sum(_fields(each) for each in value if isinstance(each, dict | list))
    return 0


def _depth(outside: bytes) -> int:
    """How deep brackets are nested in what is outside strings; the parser refuses unbalanced ones."""
    depth = deepest = 0
    for bracket in _NO_BRACKET.sub(b"", outside):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise BodyError("a field appears twice in one object; name each field once")
    return fields


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BodyError("a number is too large for a double")
    return value


def _int(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or math.isinf(float(text)):
        raise BodyError("a number is too large for a double")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise BodyError(f"{name} is not JSON; numbers must be finite")


def _has_surrogate(value: Any) -> bool:
    match value:
        case str():
            return _SURROGATE.search(value) is not None
        case dict():
            return any(map(_has_surrogate, (*value.keys(), *value.values())))
        case list():
            return any(map(_has_surrogate, value))
    return False


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant, strict=True
)
