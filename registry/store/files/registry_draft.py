"""The changes of one commit to the registry: its operations see each other's, readers see them after the commit."""

from dataclasses import fields

import polars as pl

from registry.activity import ActiveSpan
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.subscription_draft import SubscriptionDraft
from registry.store.files.unjudged_tables import UnjudgedTables
from registry.store.files.zone_tables import ZoneTables
from registry.store.parts.registry import StoredCondition, Unjudged
from registry.store.sql import Transaction


class RegistryDraft:
    """Conditions, spans and subscriptions as they will be after the commit."""

    def __init__(
        self,
        conditions: dict[str, StoredCondition],
        activity: ActivityTables,
        subscriptions: SubscriptionDraft,
        unjudged: UnjudgedTables,
        zones: ZoneTables,
        now_ms: int,
    ) -> None:
        self.now_ms = now_ms
        self._zones_before = zones
        self._zones: set[str] = set()
        self._unjudged_before = unjudged
        self._unjudged: dict[str, Unjudged | None] = {}
        self._conditions = conditions
        self._activity = activity
        self.subscriptions = subscriptions
        self._new_conditions: dict[str, StoredCondition] = {}
        self._registered_by: dict[str, str | None] = {}
        self._spans: dict[str, list[ActiveSpan]] = {}
        self.registered: dict[str, tuple[int, int]] = {}
        """User -> the conditions that are new and counted to them, and the bytes of their canonical texts."""

    @property
    def is_empty(self) -> bool:
        return not (self._new_conditions or self._spans or self._unjudged) and self.subscriptions.is_empty

    @property
    def size(self) -> int:
        """By how much the commit raises the registry's version: its spans and its changes of subscriptions."""
        return sum(map(len, self._spans.values())) + self.subscriptions.size

    @property
    def judged(self) -> list[str]:
        """The conditions that are new, or will be judged at other times."""
        return list(self._spans)

    def condition(self, condition_id: str) -> StoredCondition | None:
        """A condition that is registered, or will be."""
        return self._conditions.get(condition_id) or self._new_conditions.get(condition_id)

    def add_condition(self, condition: StoredCondition, span: ActiveSpan, registered_by: str | None) -> None:
        """Register a condition that is not known yet."""
        self._registered_by[condition.condition_id] = registered_by
        self._new_conditions[condition.condition_id] = condition
        if registered_by is not None:
            count, size = self.registered.get(registered_by, (0, 0))
            self.registered[registered_by] = count + 1, size + len(condition.canonical)
        self._spans[condition.condition_id] = [span]

    def use_zones(self, zones: set[str]) -> None:
        """Note zones that new conditions use."""
        self._zones |= zones

    def want(self, condition: StoredCondition, from_ms_: int, until_ms: int | None) -> None:
        """Have a known condition judged from one time until another, if that changes anything.

        One that has been stopped stays so.
        """
        if self.unjudged(condition.condition_id) is not None:
            return
        last = self._last_span(condition.condition_id)
        if last.until_ms is None or (until_ms is not None and until_ms <= last.until_ms):
            return
        # A group judged beyond the end of the span has been judged without the condition since then.
        begun = self._activity.begin(condition.group, from_ms_, until_ms)
        goes_on = begun.from_ms <= last.until_ms
        self._put_span(condition.condition_id, ActiveSpan(last.from_ms, until_ms) if goes_on else begun)

    def unjudged(self, condition_id: str) -> Unjudged | None:
        """Why a condition will not be judged; ``None`` if it will be."""
        if condition_id in self._unjudged:
            return self._unjudged[condition_id]
        return self._unjudged_before.of(condition_id)

    def stop(self, condition: StoredCondition, why: Unjudged, at_ms: int) -> None:
        """Have a condition judged no longer than it has been, and at most until a time."""
        self._unjudged[condition.condition_id] = why
        last = self._last_span(condition.condition_id)
        until_ms = max(last.from_ms, min(at_ms, self._activity.judged_until(condition.group) or last.from_ms))
        if last.until_ms is None or until_ms < last.until_ms:
            self._put_span(condition.condition_id, ActiveSpan(last.from_ms, until_ms))

    def resume(self, condition: StoredCondition, from_ms_: int | None, grace_ms: int) -> None:
        """Have a stopped condition judged again: from a time, or from where it stopped."""
        self._unjudged[condition.condition_id] = None
        last = self._last_span(condition.condition_id)
        if from_ms_ is None:
            from_ms_ = last.from_ms if last.until_ms is None else last.until_ms
        is_wanted = self.subscriptions.kept(condition.condition_id) > 0
        self.want(condition, from_ms_, None if is_wanted else max(from_ms_, self.now_ms) + grace_ms)

    def end(self, condition_id: str, until_ms: int) -> None:
        """Have a condition judged only until a time."""
        if self.unjudged(condition_id) is not None:
            return
        last = self._last_span(condition_id)
        self._put_span(condition_id, ActiveSpan(last.from_ms, max(last.from_ms, until_ms)))

    def write(self, transaction: Transaction) -> None:
        """Append everything to the tables."""
        if self._new_conditions:
            transaction.append("registry.condition_registry", self._condition_rows())
        if self._zones:
            self._zones_before.write(transaction, self._zones, self.now_ms)
        if self._spans:
            self._activity.write(transaction, self._spans, self.now_ms)
        if self._unjudged:
            self._unjudged_before.write(transaction, self._unjudged, self.now_ms)
        self.subscriptions.write(transaction)

    def adopt(self, version: int) -> None:
        """Take over the draft into the owner's memory, once it has been committed with a version of the registry."""
        # First the spans: a reader that sees a condition finds when it is judged.
        for condition_id, spans in self._spans.items():
            condition = self.condition(condition_id)
            assert condition is not None
            for span in spans:
                self._activity.adopt(condition_id, condition.group, span, version)
        if self._unjudged:
            self._unjudged_before.adopt(self._unjudged)
        self._zones_before.adopt(self._zones)
        self._conditions.update(self._new_conditions)
        self.subscriptions.adopt()

    def _condition_rows(self) -> pl.DataFrame:
        users = [self._registered_by[condition_id] for condition_id in self._new_conditions]
        return _condition_rows(list(self._new_conditions.values()), users, self.now_ms)

    def _last_span(self, condition_id: str) -> ActiveSpan:
        spans = self._spans.get(condition_id)
        return spans[-1] if spans else self._activity.last(condition_id)

    def _put_span(self, condition_id: str, span: ActiveSpan) -> None:
        spans = self._spans.setdefault(condition_id, [])
        if spans and spans[-1].from_ms == span.from_ms:
            spans[-1] = span
        else:
            spans.append(span)


def _condition_rows(conditions: list[StoredCondition], users: list[str | None], now_ms: int) -> pl.DataFrame:
    texts = [pl.Series(name, [getattr(row, name) for row in conditions], pl.String) for name in _CONDITION_TEXTS]
    active_from = pl.Series("active_from", [row.active_from_ms for row in conditions], pl.Int64)
    return pl.DataFrame(
        [
            *texts,
            pl.Series("group_key", [row.group for row in conditions], pl.String),
            pl.Series("packed", [row.packed for row in conditions], pl.Binary),
            # Not repeated by polars: for a single row, its query takes as long as all the other columns.
            pl.Series("revision", [1] * len(conditions), pl.Int32),
            active_from.cast(pl.Datetime("ms")),
            pl.Series("created_at", [now_ms] * len(conditions), pl.Int64).cast(pl.Datetime("ms")),
            pl.Series("registered_by", users, pl.String),
        ]
    )


_CONDITION_TEXTS = [
    field.name for field in fields(StoredCondition) if field.name not in ("group", "active_from_ms", "packed")
]
