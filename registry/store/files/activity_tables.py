"""When conditions are judged, in ``registry.duckdb``; the owner keeps it in memory."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import takewhile

import polars as pl

from registry.activity import ActiveSpan
from registry.groups import Group
from registry.store.files.watermarks import Watermarks
from registry.store.sql import Database, Transaction, last_rows, newest_rows

_MOST_BEGUN = 100_000
"""How many of the newest spans are told apart by when they began; a tick is recorded soon after it was prepared."""


class ActivityTables:
    """The spans of all conditions. Changes are written in the transaction of their cause, and adopted after it."""

    def __init__(self, database: Database, watermarks: Watermarks) -> None:
        self._database = database
        self._watermarks = watermarks
        self._spans: dict[str, tuple[ActiveSpan, ...]] = {}
        self._begun: deque[tuple[int, Group, int]] = deque()
        self._known_from = 0
        self._followers: list[set[str]] = []
        rows = database.frame(
            f"""
            SELECT condition_id, epoch_ms(active_from) AS from_ms, epoch_ms(active_until) AS until_ms
            FROM {newest_rows("registry.condition_activity", "condition_id, active_from")} AS newest
            ORDER BY condition_id, active_from
            """
        )
        # Most conditions are judged as many others are: what is equal is kept once.
        shared: dict[tuple[ActiveSpan, ...], tuple[ActiveSpan, ...]] = {}
        for condition_id, *span in rows.iter_rows():
            spans = (*self._spans.get(condition_id, ()), ActiveSpan(*span))
            self._spans[condition_id] = shared.setdefault(spans, spans)

    def all(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        """Condition id -> its spans, oldest first."""
        return dict(self._spans)

    def of(self, condition_id: str) -> tuple[ActiveSpan, ...]:
        """The spans of one condition, oldest first; empty for an unknown one."""
        return self._spans.get(condition_id, ())

    def follow(self) -> set[str]:
        """A set to which every condition is added whose spans change from here on; who asked takes them out again."""
        changed: set[str] = set()
        self._followers.append(changed)
        return changed

    def begin_at(self, last_change: int) -> int:
        """The registry's version when its file is opened: how many spans were ever written and changes ever made."""
        rows = self._database.rows("SELECT count(*) FROM registry.condition_activity")
        self._known_from = int(str(rows[0][0])) + last_change
        return self._known_from

    def begun_after(self, version: int) -> list[tuple[Group, int]] | None:
        """(group, time) of the spans that began, or were cut short, at a time, with a later version of the registry.

        ``None`` for a version from before the file was opened, or from so long ago that what changed since then is not
        known.
        """
        if version < self._known_from:
            return None
        return [
            (group, from_ms_)
            for _, group, from_ms_ in takewhile(lambda begun: begun[0] > version, reversed(self._begun))
        ]

    def begin(self, group: Group, from_ms_: int, until_ms: int | None) -> ActiveSpan:
        """A span that begins at a time, or where the group has already been judged to without the condition."""
        begins = max(from_ms_, self._watermarks.of(group) or 0)
        return ActiveSpan(begins, None if until_ms is None else max(until_ms, begins))

    def judged_until(self, group: Group) -> int | None:
        """The close time up to which a group has been judged, ``None`` before its first tick."""
        return self._watermarks.of(group)

    def last(self, condition_id: str) -> ActiveSpan:
        """The newest span of a registered condition."""
        return self._spans[condition_id][-1]

    def write(self, transaction: Transaction, spans: Mapping[str, Sequence[ActiveSpan]], now_ms: int) -> None:
        """Append new versions of spans to the table."""
        rows = [(name, span.from_ms, span.until_ms) for name, several in spans.items() for span in several]
        names, begins, ends = zip(*rows, strict=True)
        times = {"active_from": begins, "active_until": ends, "created_at": [now_ms] * len(rows)}
        transaction.append(
            "registry.condition_activity",
            pl.DataFrame(
                [
                    pl.Series("condition_id", names, pl.String),
                    *(pl.Series(name, each, pl.Int64).cast(pl.Datetime("ms")) for name, each in times.items()),
                ]
            ),
        )

    def written(self, count: int) -> list[tuple[str, ActiveSpan]]:
        """The last spans that were written, oldest first, each with its condition."""
        rows = self._database.rows(
            f"""
            SELECT condition_id, epoch_ms(active_from), epoch_ms(active_until)
            FROM {last_rows("registry.condition_activity", count)} AS fresh ORDER BY rowid
            """
        )
        return [
            (str(name), ActiveSpan(int(str(from_ms_)), None if until_ms is None else int(str(until_ms))))
            for name, from_ms_, until_ms in rows
        ]

    def adopt(self, condition_id: str, group: Group, span: ActiveSpan, version: int) -> None:
        """Take over a span that has been committed with a version of the registry."""
        spans = self._spans.get(condition_id, ())
        if spans and spans[-1].from_ms == span.from_ms:
            self._spans[condition_id] = (*spans[:-1], span)
            if span.until_ms is not None and span.until_ms <= max(span.from_ms, self.judged_until(group) or 0):
                # Cut short: a tick that was prepared before must not judge it any further.
                self._note_begun(version, group, span.until_ms)
        else:
            self._spans[condition_id] = (*spans, span)
            self._note_begun(version, group, span.from_ms)
        for changed in self._followers:
            changed.add(condition_id)

    def _note_begun(self, version: int, group: Group, time_ms: int) -> None:
        self._begun.append((version, group, time_ms))
        if len(self._begun) > _MOST_BEGUN:
            self._known_from = self._begun.popleft()[0]
