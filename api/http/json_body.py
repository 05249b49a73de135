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
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_COMPOSITE = (dict, list)
_OPENING = ord("[")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")
_UNUSUAL_NUMBERS = b"0" * 18, b"0e"
"""Numbers that libraries read differently, with every digit as 0: long ones, and those with an exponent."""
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
    outside = _outside_strings(raw)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > MOST_VALUES:
        raise BodyError(f"the body has too many values; at most {MOST_VALUES:,} are allowed, so send less at once")
    if _is_too_deep(outside):
        raise BodyError(f"the body is nested too deeply; at most {DEEPEST} levels are allowed")
    if b"\\u" not in raw and not _has_unusual_number(outside):
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


def _outside_strings(raw: bytes) -> bytes:
    """A JSON text without its strings."""
    if b"\\" not in raw:
        # Every quote begins or ends a string: what is outside is every second piece, much faster than a search.
        pieces = raw.split(b'"')
        if len(pieces) % 2:
            return b"".join(pieces[::2])
    return _STRING.sub(b"", raw)


def _has_unusual_number(outside: bytes) -> bool:
    """Whether libraries may read a number differently: a long one, one with an exponent, or the negative 0."""
    zeros = outside.translate(_ZEROS)
    return b"-0" in outside or any(unusual in zeros for unusual in _UNUSUAL_NUMBERS)


def _fields(value: Any) -> int:
    """Number of fields of all objects in a value."""
    count, values = 0, [value]
    while values:
        each = values.pop()
        if isinstance(each, dict):
            count += len(each)
            values += [inner for inner in each.values() if isinstance(inner, _COMPOSITE)]
        elif isinstance(each, list):
            values += [inner for inner in each if isinstance(inner, _COMPOSITE)]
    return count


def _is_too_deep(outside: bytes) -> bool:
    """Whether brackets are nested too deeply in what is outside strings; the parser refuses unbalanced ones."""
    brackets = pairs = outside.translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(DEEPEST):
        if not pairs:
            return False
        # Each time the innermost pairs go.
        pairs = pairs.replace(b"[]", b"")
    if not pairs:
        return False
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket == _OPENING else -1
        if depth > DEEPEST:
            return True
    return False


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
