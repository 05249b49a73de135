"""Finds conditions among all of them, in the owner's memory: columns of texts and numbers, and no loop over rows.

What does not change with a condition is kept as a frame; what does is kept in arrays, in which those conditions are
brought up to date that have changed since somebody asked last.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

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
_NUMBERS = ("subscribers", "active_until", "triggers", "last_trigger")
"""What changes with a condition; times in milliseconds, ``_NEVER_MS`` where there is none."""


def drained(changed: set[str]) -> Iterator[str]:
    """Take all names out of a set to which other threads add."""
    while changed:
        yield changed.pop()


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
        self._groups: dict[Group, int] = {}
        self._fixed = _fixed_columns([], self._groups)
        self._numbers = {name: np.empty(0, np.int64) for name in _NUMBERS}
        self._by_text: NDArray[np.int64] = np.empty(0, np.int64)
        """The place of each condition in the order of their texts."""
        self._lock = threading.Lock()

    def page(self, query: ConditionQuery, now_ms: int) -> ConditionPage:
        """The page of a query, with healths as they are at a time."""
        with self._lock:
            self._follow()
            fixed, groups = self._fixed, list(self._groups)
            numbers = {name: values.copy() for name, values in self._numbers.items()}
            by_text = self._order_of_texts() if query.order == "text" else None
        rows = fixed.with_columns(
            *(pl.Series(name, values) for name, values in numbers.items()), self._judged(fixed, groups)
        )
        matches = self._with_health(rows, now_ms).filter(_matches(query))
        places = matches["number"].to_numpy()
        if query.order == "registered":
            ordered_by = places
        elif by_text is not None:
            ordered_by = by_text[places]
        else:
            ordered_by = numbers[query.order][places]
        if query.descending:
            ordered_by = -ordered_by
        elif query.order == "last_trigger":
            ordered_by = np.where(ordered_by == _NEVER_MS, _OPEN_MS, ordered_by)
        shown = np.argsort(ordered_by, kind="stable")[query.offset : query.offset + query.limit]
        return ConditionPage(
            matches.height,
            matches[shown].select(
                "condition_id",
                "text",
                "symbol",
                "timeframe",
                "state",
                "health",
                "subscribers",
                "triggers",
                _time("last_trigger"),
                _time("judged_until"),
            ),
        )

    def _follow(self) -> None:
        """Take up conditions that are new, and what has changed of the others."""
        # First the changes: a condition that is added meanwhile comes with its own.
        changed = {name for names in self._changed for name in drained(names)}
        if len(self._conditions) > self._fixed.height:
            # Copied in one go: another thread may add conditions meanwhile.
            fresh = list(islice(list(self._conditions.values()), self._fixed.height, None))
            first = self._fixed.height
            self._places.update((each.condition_id, first + place) for place, each in enumerate(fresh))
            self._fixed = pl.concat([self._fixed, _fixed_columns(fresh, self._groups, first)])
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

    def _order_of_texts(self) -> NDArray[np.int64]:
        if len(self._by_text) != self._fixed.height:
            sorted_places = self._fixed["text"].arg_sort().to_numpy()
            self._by_text = np.empty(self._fixed.height, np.int64)
            self._by_text[sorted_places] = np.arange(self._fixed.height)
        return self._by_text

    def _judged(self, fixed: pl.DataFrame, groups: list[Group]) -> pl.Series:
        marks = np.fromiter(
            (_NEVER_MS if (mark := self._watermark(group)) is None else mark for group in groups), np.int64, len(groups)
        )
        return pl.Series("judged_until", marks[fixed["group"].to_numpy()])

    def _with_health(self, rows: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        states = {name: why.state for name, why in self._unjudged().items()}
        rows = rows.with_columns(
            pl.when(pl.col("active_until") <= pl.col("judged_until"))
            .then(pl.lit("idle"))
            .otherwise(pl.lit("judged"))
            .alias("state"),
            *(pl.when(pl.col(name) != _NEVER_MS).then(name).alias(name) for name in ("judged_until", "last_trigger")),
        )
        if states:
            whole = pl.DataFrame({"condition_id": list(states), "why": list(states.values())})
            rows = rows.join(whole, on="condition_id", how="left", maintain_order="left").with_columns(
                pl.coalesce("why", "state").alias("state")
            )
        closes = pl.col("symbol").is_in(list(self._with_sessions()))
        patience = _STALE_AFTER_SLOTS * pl.col("length_ms") + pl.when(closes).then(_CLOSED_MARKET_MS).otherwise(0)
        return rows.with_columns(
            pl.when(pl.col("state") == "err")
            .then(pl.lit("err"))
            .when(pl.col("state") != "judged")
            .then(None)
            .when(pl.col("judged_until").is_null())
            .then(pl.lit("unknown"))
            .when(pl.col("judged_until") + patience < now_ms)
            .then(pl.lit("stale"))
            .otherwise(pl.lit("ok"))
            .alias("health")
        )


def _fixed_columns(conditions: list[StoredCondition], groups: dict[Group, int], first: int = 0) -> pl.DataFrame:
    """What does not change; new groups are numbered into ``groups``."""
    texts = pl.Series("text", [each.text for each in conditions], pl.String)
    return pl.DataFrame(
        [
            pl.Series("number", range(first, first + len(conditions)), pl.Int64),
            pl.Series("condition_id", [each.condition_id for each in conditions], pl.String),
            texts,
            texts.str.to_lowercase().alias("folded"),
            pl.Series("symbol", [f"{each.exchange}:{each.symbol}" for each in conditions], pl.String),
            pl.Series("timeframe", [each.timeframe for each in conditions], pl.String),
            pl.Series("length_ms", [DURATION_MS[each.timeframe] for each in conditions], pl.Int64),
            pl.Series("group", [groups.setdefault(each.group, len(groups)) for each in conditions], pl.Int64),
        ]
    )


def _matches(query: ConditionQuery) -> pl.Expr:
    matches = pl.lit(True)
    for word in query.words.lower().split():
        matches &= pl.col("folded").str.contains(word, literal=True) | pl.col("condition_id").str.starts_with(word)
    for column, values in (
        ("symbol", query.symbols),
        ("timeframe", query.timeframes),
        ("state", query.states),
        ("health", query.healths),
    ):
        if values:
            matches &= pl.col(column).is_in(list(values))
    return matches


def _time(column: str) -> pl.Expr:
    return pl.from_epoch(column, "ms").cast(pl.Datetime("ms", "UTC"))
