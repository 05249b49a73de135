"""Finds conditions among all of them, in the owner's memory: arrays of numbers, and no loop over rows.

Texts are kept as a frame, and what is compared for every condition as arrays: names as their numbers, and what changes
with a condition, in which those are brought up to date that have changed since somebody asked last. Texts are read only
of what is shown, or for words that somebody looks for.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.timeframes import DURATION_MS
from registry.activity import ActiveSpan
from registry.groups import Group
from registry.store.parts.condition_pages import ConditionPage, ConditionQuery
from registry.store.parts.registry import StoredCondition, Unjudged
from registry.store.parts.triggers import ConditionState

_NEVER_MS = -1
_OPEN_MS = np.iinfo(np.int64).max
_STALE_AFTER_SLOTS = 2
_CLOSED_MARKET_MS = 7 * 24 * 3_600_000
"""For how long a market with sessions may be closed."""
_TIMEFRAMES = {name: number for number, name in enumerate(DURATION_MS)}
_LENGTHS_MS = np.array(list(DURATION_MS.values()), np.int64)
_STATES = {name: number for number, name in enumerate(("judged", "idle", "err", "retired"))}
_HEALTHS = {name: number for number, name in enumerate(("ok", "unknown", "stale", "err", None))}
_NAMES = ("symbol", "timeframe", "group")
"""What does not change with a condition, as numbers."""
_NUMBERS = ("subscribers", "active_until", "triggers", "last_trigger")
"""What changes with a condition; times in milliseconds, ``_NEVER_MS`` where there is none."""

_Integers = NDArray[np.int64]


def drained(changed: set[str]) -> Iterator[str]:
    """Take all names out of a set to which other threads add."""
    while changed:
        yield changed.pop()


@dataclass(frozen=True, slots=True)
class _Known:
    """All conditions at one moment, in the order in which they were registered; names, states and healths as
    numbers."""

    texts: pl.DataFrame
    names: Mapping[str, _Integers]
    symbols: Mapping[str, int]
    numbers: Mapping[str, _Integers]
    by_text: _Integers
    """Empty unless it was asked for."""
    judged_until: _Integers
    states: _Integers
    healths: _Integers


class ConditionSearch:
    """Asked by any thread."""

    def __init__(
        self,
        conditions: Mapping[str, StoredCondition],
        subscribers: Callable[[str], int],
        spans: Callable[[str], tuple[ActiveSpan, ...]],
        triggers: Callable[[str], ConditionState],
        changed: Iterable[set[str]],
        unjudged: Callable[[], Mapping[str, Unjudged]],
        watermark: Callable[[Group], int | None],
        with_sessions: Callable[[], Collection[str]],
    ) -> None:
        """``conditions`` only grows; to one of ``changed`` each condition is added of which ``subscribers``, ``spans``
        or ``triggers`` have changed; ``with_sessions`` names the symbols whose markets close."""
        self._conditions = conditions
        self._subscribers, self._spans, self._triggers = subscribers, spans, triggers
        self._changed = tuple(changed)
        self._unjudged, self._watermark, self._with_sessions = unjudged, watermark, with_sessions
        self._places: dict[str, int] = {}
        self._symbols: dict[str, int] = {}
        self._groups: dict[Group, int] = {}
        self._texts = _texts([])
        self._names = {name: np.empty(0, np.int64) for name in _NAMES}
        self._numbers = {name: np.empty(0, np.int64) for name in _NUMBERS}
        self._by_text: _Integers = np.empty(0, np.int64)
        """The place of each condition in the order of their texts."""
        self._lock = threading.Lock()

    def page(self, query: ConditionQuery, now_ms: int) -> ConditionPage:
        """The page of a query, with healths as they are at a time."""
        known = self._known(now_ms, with_order=query.order == "text")
        matches = np.ones(known.texts.height, np.bool_)
        for values, numbered, wanted in (
            (known.names["symbol"], known.symbols, query.symbols),
            (known.names["timeframe"], _TIMEFRAMES, query.timeframes),
            (known.states, _STATES, query.states),
            (known.healths, _HEALTHS, query.healths),
        ):
            if wanted:
                matches &= _are_among(values, numbered, wanted)
        if words := query.words.lower().split():
            matches &= known.texts.select(_has(words)).to_series().to_numpy()
        places = np.flatnonzero(matches)
        if query.order == "registered":
            ordered_by = places
        else:
            ordered_by = (known.numbers[query.order] if query.order != "text" else known.by_text)[places]
        if query.descending:
            ordered_by = -ordered_by
        elif query.order == "last_trigger":
            ordered_by = np.where(ordered_by == _NEVER_MS, _OPEN_MS, ordered_by)
        shown = places[_first(ordered_by, query.offset + query.limit)[query.offset :]]
        return ConditionPage(
            len(places),
            pl.DataFrame(
                [
                    *(known.texts[name].gather(shown) for name in ("condition_id", "text", "symbol", "timeframe")),
                    _named("state", _STATES, known.states[shown]),
                    _named("health", _HEALTHS, known.healths[shown]),
                    pl.Series("subscribers", known.numbers["subscribers"][shown]),
                    pl.Series("triggers", known.numbers["triggers"][shown]),
                    _times("last_trigger", known.numbers["last_trigger"][shown]),
                    _times("judged_until", known.judged_until[shown]),
                ]
            ),
        )

    def counts(self, now_ms: int) -> dict[str, int]:
        """See :meth:`registry.store.parts.registry.RegistryStore.condition_counts`."""
        known = self._known(now_ms)
        healths = np.bincount(known.healths, minlength=len(_HEALTHS))
        states = np.bincount(known.states, minlength=len(_STATES))
        return {
            **{name: int(healths[_HEALTHS[name]]) for name in ("ok", "unknown", "err", "stale")},
            **{name: int(states[_STATES[name]]) for name in ("idle", "retired")},
        }

    def _known(self, now_ms: int, *, with_order: bool = False) -> "_Known":
        """Everything that conditions are found by, with healths as they are at a time."""
        with self._lock:
            self._follow()
            texts, names, symbols, groups = self._texts, self._names, dict(self._symbols), list(self._groups)
            numbers = {name: values.copy() for name, values in self._numbers.items()}
            by_text = self._order_of_texts() if with_order else self._by_text
            unjudged = {self._places[name]: why.state for name, why in self._unjudged().items() if name in self._places}
        judged_until = self._watermarks(groups)[names["group"]]
        states = _states(numbers["active_until"], judged_until, unjudged)
        healths = _healths(states, judged_until, now_ms - self._patience(names, symbols))
        return _Known(texts, names, symbols, numbers, by_text, judged_until, states, healths)

    def _follow(self) -> None:
        """Take up conditions that are new, and what has changed of the others."""
        # First the changes: a condition that is added meanwhile comes with its own.
        changed = {name for names in self._changed for name in drained(names)}
        first = self._texts.height
        if len(self._conditions) > first:
            # Copied in one go: another thread may add conditions meanwhile.
            fresh = list(islice(list(self._conditions.values()), first, None))
            self._places.update((each.condition_id, first + place) for place, each in enumerate(fresh))
            self._texts = pl.concat([self._texts, _texts(fresh)])
            numbered: dict[str, list[int]] = {
                "symbol": [
                    self._symbols.setdefault(f"{each.exchange}:{each.symbol}", len(self._symbols)) for each in fresh
                ],
                "timeframe": [_TIMEFRAMES[each.timeframe] for each in fresh],
                "group": [self._groups.setdefault(each.group, len(self._groups)) for each in fresh],
            }
            self._names = {
                name: np.concatenate([values, np.array(numbered[name], np.int64)])
                for name, values in self._names.items()
            }
            more = np.zeros(len(fresh), np.int64)
            self._numbers = {name: np.concatenate([values, more]) for name, values in self._numbers.items()}
            changed.update(each.condition_id for each in fresh)
        subscribers, active_until, triggers, last_trigger = (self._numbers[name] for name in _NUMBERS)
        for name in changed:
            place = self._places.get(name)
            if place is None:
                continue
            spans, state = self._spans(name), self._triggers(name)
            subscribers[place] = self._subscribers(name)
            until_ms = spans[-1].until_ms if spans else _NEVER_MS
            active_until[place] = _OPEN_MS if until_ms is None else until_ms
            triggers[place] = state.triggers
            last_trigger[place] = _NEVER_MS if state.last_close_ms is None else state.last_close_ms

    def _order_of_texts(self) -> _Integers:
        if len(self._by_text) != self._texts.height:
            sorted_places = self._texts["text"].arg_sort().to_numpy()
            self._by_text = np.empty(self._texts.height, np.int64)
            self._by_text[sorted_places] = np.arange(self._texts.height)
        return self._by_text

    def _watermarks(self, groups: list[Group]) -> _Integers:
        marks = ((_NEVER_MS if (mark := self._watermark(group)) is None else mark) for group in groups)
        return np.fromiter(marks, np.int64, len(groups))

    def _patience(self, names: Mapping[str, _Integers], symbols: Mapping[str, int]) -> _Integers:
        """For how long each condition may not be judged without being stale."""
        closing = np.zeros(len(symbols), np.int64)
        closing[[symbols[name] for name in self._with_sessions() if name in symbols]] = _CLOSED_MARKET_MS
        patience: _Integers = _STALE_AFTER_SLOTS * _LENGTHS_MS[names["timeframe"]] + closing[names["symbol"]]
        return patience


def _texts(conditions: list[StoredCondition]) -> pl.DataFrame:
    texts = pl.Series("text", [each.text for each in conditions], pl.String)
    return pl.DataFrame(
        [
            pl.Series("condition_id", [each.condition_id for each in conditions], pl.String),
            texts,
            texts.str.to_lowercase().alias("folded"),
            pl.Series("symbol", [f"{each.exchange}:{each.symbol}" for each in conditions], pl.String),
            pl.Series("timeframe", [each.timeframe for each in conditions], pl.String),
        ]
    )


def _states(active_until: _Integers, judged_until: _Integers, unjudged: Mapping[int, str]) -> _Integers:
    states = np.where(active_until <= judged_until, _STATES["idle"], _STATES["judged"])
    states[list(unjudged)] = [_STATES[state] for state in unjudged.values()]
    return states


def _healths(states: _Integers, judged_until: _Integers, stale_before: _Integers) -> _Integers:
    healths = np.where(judged_until < stale_before, _HEALTHS["stale"], _HEALTHS["ok"])
    healths[judged_until == _NEVER_MS] = _HEALTHS["unknown"]
    healths[states != _STATES["judged"]] = _HEALTHS[None]
    healths[states == _STATES["err"]] = _HEALTHS["err"]
    return healths


def _are_among(values: _Integers, numbered: Mapping[Any, int], names: Collection[str]) -> NDArray[np.bool_]:
    """Which of the values are the numbers of some of the names."""
    wanted = np.zeros(len(numbered), np.bool_)
    wanted[[numbered[name] for name in names if name in numbered]] = True
    return wanted[values]


def _has(words: list[str]) -> pl.Expr:
    return pl.all_horizontal(
        pl.col("folded").str.contains(word, literal=True) | pl.col("condition_id").str.starts_with(word)
        for word in words
    )


def _first(values: _Integers, count: int) -> _Integers:
    """Where the ``count`` smallest values are, smallest first, equal ones in their order: without sorting the rest."""
    if count >= len(values):
        return np.argsort(values, kind="stable")
    last = np.partition(values, count)[count]
    smaller = np.flatnonzero(values < last)
    equal = np.flatnonzero(values == last)[: count - len(smaller)]
    return np.concatenate([smaller[np.argsort(values[smaller], kind="stable")], equal])


def _named(column: str, numbered: Mapping[Any, int], values: _Integers) -> pl.Series:
    names = list(numbered)
    return pl.Series(column, [names[value] for value in values], pl.String)


def _times(column: str, values: _Integers) -> pl.Series:
    times = pl.Series(column, [None if value == _NEVER_MS else value for value in values.tolist()], pl.Int64)
    return times.cast(pl.Datetime("ms", "UTC"))
