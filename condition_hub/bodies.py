"""Bodies and paths of requests. What JSON cannot hold is refused with its place in the body."""

import json
import logging
import math
from collections.abc import Mapping
from urllib.parse import quote

from condition_hub.errors import BodyNotJson
from condition_hub.json_pointers import step

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), ensure_ascii=False)
_DEEPEST = 100
_log = logging.getLogger(__name__)


def as_json(body: object) -> bytes:
    """A body as JSON, UTF-8.

    The dots of a printed example, ``{...}``, ``[...]`` or ``...``, stand for an empty object, an empty list or null; a
    warning in the log names their place. Raises :class:`condition_hub.errors.BodyNotJson` for NaN, infinity, and
    everything that JSON cannot hold.
    """
    try:
        return _ENCODER.encode(body).encode()
    except (TypeError, ValueError, RecursionError):
        # Rarely needed, and much slower: what the encoder does not say is where.
        return _ENCODER.encode(_plain(body, "", 1)).encode()


def path_part(text: str) -> str:
    """A text as one segment of a path, whatever its characters."""
    return quote(text, safe="")


def _plain(value: object, pointer: str, depth: int) -> object:  # noqa: PLR0911 - one return for each kind of value
    """``value`` of plain dictionaries, lists and values; ``pointer`` is its place."""
    if depth > _DEEPEST:
        raise BodyNotJson(f"{pointer[:_DEEPEST]}... is nested too deeply, or contains itself")
    match value:
        case None | bool() | int():
            return value
        case str():
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise BodyNotJson(f"{_name(pointer)} is text with half a character, which JSON cannot hold")
            return value
        case float():
            if not math.isfinite(value):
                raise BodyNotJson(f"{_name(pointer)} is {value}, which JSON cannot hold; leave it out, or send null")
            return value
        case Mapping():
            return {_key(key, pointer): _plain(part, step(pointer, key), depth + 1) for key, part in value.items()}
        case set() if value == {...}:
            return _empty(pointer, "{...}", "an empty object", {})
        case list() | tuple() if len(value) == 1 and value[0] is ...:
            return _empty(pointer, "[...]", "an empty list", [])
        case list() | tuple():
            return [_plain(part, step(pointer, place), depth + 1) for place, part in enumerate(value)]
    if value is ...:
        return _empty(pointer, "...", "null", None)
    raise BodyNotJson(
        f"{_name(pointer)} is a value of type {type(value).__name__}, which JSON cannot hold; send text, a number,"
        " true, false, null, a list or an object"
    )


def _empty(pointer: str, printed: str, sent: str, empty: object) -> object:
    _log.warning("%s is %s, as in a printed example; sent as %s", _name(pointer), printed, sent)
    return empty


def _key(key: object, pointer: str) -> object:
    if key is None or isinstance(key, str | int | float):
        return key
    raise BodyNotJson(f"{_name(pointer)} has a key of type {type(key).__name__}; keys are text")


def _name(pointer: str) -> str:
    return pointer or "the body"
