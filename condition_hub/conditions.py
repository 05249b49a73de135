"""Conditions as they are sent: the hub reads the language, a client only spells."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from condition_hub.bodies import as_json
from condition_hub.errors import BodyNotJson
from condition_hub.series_defaults import current_defaults

_LARGEST_BULK = 1_000_000
"""Bytes of the conditions in one request."""


class HasText(Protocol):
    """A condition that something else has read, such as a ``registry.Condition``."""

    @property
    def text(self) -> str:
        """The condition with its symbol and timeframe."""


ConditionLike = HasText | Mapping[str, object] | str
"""A condition: read, as JSON, or as text."""


def spelled(condition: ConditionLike) -> Mapping[str, object] | str:
    """A condition as the hub reads it, with the symbol and timeframe of ``defaults`` where it names none.

    Raises :class:`condition_hub.errors.BodyNotJson` for what is no condition at all.
    """
    ambient = current_defaults()
    if isinstance(condition, str):
        if ambient.symbol is None or ambient.timeframe is None or ambient.names_series(condition):
            return condition
        return {"symbol": ambient.symbol, "timeframe": ambient.timeframe, "when": condition}
    if not isinstance(condition, Mapping):
        return _text_of(condition)
    if "condition" in condition:
        return condition
    missing = {"symbol": ambient.symbol, "timeframe": ambient.timeframe}
    return dict(condition) | {
        name: value for name, value in missing.items() if value is not None and condition.get(name) is None
    }


def _text_of(condition: HasText) -> str:
    text = getattr(condition, "text", None)
    if not isinstance(text, str):
        raise BodyNotJson(f"a condition is text or an object, got a value of type {type(condition).__name__}")
    return text


def in_bulks(conditions: Iterable[ConditionLike], most: int) -> Iterator[Sequence[bytes]]:
    """Conditions as JSON, as many at once as one request may have: at most ``most``, and no more bytes than the hub
    accepts."""
    waiting: list[bytes] = []
    size = 0
    for spelling in map(as_json, map(spelled, conditions)):
        if waiting and (len(waiting) == most or size + len(spelling) > _LARGEST_BULK):
            yield waiting
            waiting, size = [], 0
        waiting.append(spelling)
        size += len(spelling) + 1
    if waiting:
        yield waiting


def bulk_of(spellings: Sequence[bytes], others: Mapping[str, int] | None = None) -> bytes:
    """The body of a request with some conditions, and other fields beside them."""
    fields = b"".join(b"," + as_json(name) + b":" + as_json(value) for name, value in (others or {}).items())
    return b'{"conditions":[' + b",".join(spellings) + b"]" + fields + b"}"
