"""What can be said about one condition: what it is on the newest candle, why it fires or not, when it would have fired.

``analysis`` makes these records, the API sends them and the client reads them. Field names are those of the API's JSON.
Times are milliseconds since the epoch, UTC; ``None`` is what is not known.
"""

from dataclasses import dataclass
from typing import Literal

Truth = Literal["TRUE", "FALSE", "UNKNOWN"]

Verdict = Literal["fires", "true already", "unknown before", "false", "unknown", "no candle", "waiting"]
"""``true already`` and ``unknown before``: it is TRUE but did not become so; ``no candle``: the slot is missing;
``waiting``: its candle is still to come."""

_DESCRIBED = {"use_attribute_docstrings": True}
"""For Pydantic, which the API publishes the schemas with: a field's docstring is its description."""


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a condition is on the newest closed candle."""

    __pydantic_config__ = _DESCRIBED

    truth: Truth
    since: int | None
    """Close time of the first candle of this truth, without a break; null if that is too far back to look for"""
    close_time: int | None
    """Of the candle; null without candles"""
    price: float | None
    values: dict[str, float | None]
    """Operands by their text"""
    settled: bool | None
    """Whether its indicators had settled"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an operand was on the candle and one step before."""

    __pydantic_config__ = _DESCRIBED

    text: str
    now: float | None
    before: float | None
    unknown: tuple[str, ...]
    """Why it is not known now"""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far apart the sides of a comparison are: left less right, and that as a share of the right side's size."""

    __pydantic_config__ = _DESCRIBED

    left: str
    right: str
    absolute: float
    relative: float | None
    """Null where the right side is 0"""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One part of a condition: a node of its tree."""

    text: str
    truth: Truth
    before: Truth
    readings: tuple[Reading, ...]
    distances: tuple[Distance, ...]
    children: tuple["Explained", ...]


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """The candles of a series that were there."""

    series: str
    first_open_time: int
    last_close_time: int
    candles: int


@dataclass(frozen=True, kw_only=True)
class CandleExplanation:
    """Why a condition fires on a candle, or why it does not, as far as the candles say.

    ``price``, ``settled`` and ``tree`` are ``None`` where the candle is missing.
    """

    condition_id: str
    condition: str
    momentary: bool
    open_time: int
    close_time: int
    verdict: Verdict
    fires: bool
    reasons: tuple[str, ...]
    """Why it does not fire, in words"""
    truth: Truth
    before: Truth
    price: float | None
    settled: bool | None
    tree: Explained | None
    freshness: tuple[Freshness, ...]

    def _repr_html_(self) -> str:
        from condition_hub.notebook import explanation_html

        return explanation_html(self)


@dataclass(frozen=True, kw_only=True)
class Explanation(CandleExplanation):
    """Why a condition fires on a candle, or why it does not."""

    __pydantic_config__ = _DESCRIBED

    superseded_by: str | None = None
    """The condition that stands for the one that was asked for, since an upgrade of the hub: this one; or null"""
    active: bool
    """Whether a candle that closes then can trigger the condition"""
    judged_until: int | None
    """Close time of the newest judged candle of its group"""
    recorded: bool
    """Whether a trigger is recorded on the candle"""
    notes: tuple[str, ...]
    """What, besides the candles, keeps the hub from recording a trigger"""

    def _repr_html_(self) -> str:
        from condition_hub.notebook import explanation_html

        recorded = "a trigger is recorded" if self.recorded else "no trigger is recorded"
        return explanation_html(self, (recorded, *self.notes))


@dataclass(frozen=True, kw_only=True)
class PreviewTrigger:
    """A trigger that would have been."""

    open_time: int
    close_time: int
    price: float
    settled: bool


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How often and when a condition would have fired on stored candles; nothing is registered."""

    __pydantic_config__ = _DESCRIBED

    condition_id: str
    condition: str
    canonical: str
    registered: bool
    start: int
    end: int
    candles: int
    """Candles of its own series in the span"""
    triggers: int
    per_day: float | None
    """Triggers a day, over the days that have candles"""
    last: tuple[PreviewTrigger, ...]
    """The newest ones, newest first"""
    subscribers: int | None
    """Active subscriptions of all users; null for users while there are fewer than 5"""

    def _repr_html_(self) -> str:
        from condition_hub.notebook import preview_html

        return preview_html(self)


@dataclass(frozen=True, kw_only=True)
class PreviewedTriggers:
    """The triggers of one condition in a part of a span, oldest first; all lists have the same length."""

    __pydantic_config__ = _DESCRIBED

    condition_id: str
    condition: str
    open_times: tuple[int, ...]
    close_times: tuple[int, ...]
    settled: tuple[bool, ...]
    """Whether indicators had settled"""


@dataclass(frozen=True, kw_only=True)
class BulkPreview:
    """All triggers of some conditions that close after `start` and by `until`; nothing is registered."""

    __pydantic_config__ = _DESCRIBED

    start: int
    until: int
    """How far this page goes: ask again with it as `start` until it is `end`"""
    end: int
    previews: tuple[PreviewedTriggers, ...]
    """In the order of the request"""
