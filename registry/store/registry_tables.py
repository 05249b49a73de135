"""Conditions and subscriptions in ``registry.duckdb``: rows with a revision, the latest wins, indexed in memory."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from registry.clock import Clock
from registry.conditions import Condition
from registry.errors import StoreError
from registry.instruments import Instrument, resolve
from registry.store.activity_tables import ActivityTables
from registry.store.database import Database, Transaction
from registry.store.records import GRACE_MS, ActiveSpan, Registration, StoredCondition, SubscriptionRequest
from registry.timeframes import from_ms


@dataclass(frozen=True)
class _Subscription:
    revision: int
    active: bool
    content: str
    """Digest of bot type and configuration: the configuration itself stays in the file."""


class RegistryTables:
    """Implements :class:`registry.store.protocol.RegistryStore`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        instruments: Callable[[], list[Instrument]],
        activity: ActivityTables,
    ) -> None:
        self._database = database
        self._activity = activity
        self._clock = clock
        self._instruments = instruments
        self._version = 0
        self._conditions = {condition.condition_id: condition for condition in self._load_conditions()}
        self._subscriptions = self._load_subscriptions()
        self._subscribers = Counter(key[2] for key, held in self._subscriptions.items() if held.active)

    def register(
        self, conditions: Sequence[Condition], *, active_from_ms: int, grace_ms: int = GRACE_MS
    ) -> list[Registration]:
        # No tick gets in between the look at the watermarks and the conditions' being known.
        with self._database.alone():
            return self._register(conditions, active_from_ms, grace_ms)

    def _register(self, conditions: Sequence[Condition], active_from_ms: int, grace_ms: int) -> list[Registration]:
        known = self._instruments()
        fresh: dict[str, StoredCondition] = {}
        known_ids = {condition.id for condition in conditions} & self._conditions.keys()
        spans = self._prolonged(known_ids, active_from_ms, active_from_ms + grace_ms)
        answers = []
        for condition in conditions:
            stored = self._conditions.get(condition.id) or fresh.get(condition.id)
            if stored is None:
                for instrument in condition.instruments:
                    resolve(instrument, known)
                span = self._activity.begin(condition.group, active_from_ms, active_from_ms + grace_ms)
                spans[condition.id] = condition.group, span
                stored = fresh[condition.id] = _stored(condition, span.from_ms)
                answers.append(Registration(condition.id, created=True))
            else:
                answers.append(Registration(condition.id, created=False))
            if stored.canonical != condition.canonical:
                raise StoreError(
                    f"condition id {condition.id} already stands for {stored.canonical!r}, not {condition.canonical!r}"
                )
        if fresh or spans:
            with self._database.transaction() as transaction:
                if fresh:
                    rows = _condition_rows(fresh.values(), self._clock.now_ms())
                    transaction.append("registry.condition_registry", rows)
                self._write_spans(transaction, spans)
            self._conditions.update(fresh)
            self._version += 1
            self._activity.adopt(spans, self._version)
        return answers

    def subscribe(self, requests: Sequence[SubscriptionRequest], *, active_from_ms: int) -> int:
        with self._database.alone():
            return self._subscribe(requests, active_from_ms)

    def _subscribe(self, requests: Sequence[SubscriptionRequest], active_from_ms: int) -> int:
        changed: dict[tuple[str, str, str], tuple[_Subscription, SubscriptionRequest, str]] = {}
        for request in requests:
            if request.condition_id not in self._conditions:
                raise StoreError(
                    f"condition {request.condition_id!r} is not registered; register it before subscribing"
                )
            key = (request.user_id, request.bot_id, request.condition_id)
            config = json.dumps(request.bot_config, sort_keys=True, separators=(",", ":"), allow_nan=False)
            content = _digest(request.bot_type, config)
            held = changed[key][0] if key in changed else self._subscriptions.get(key)
            if held is None or not held.active or held.content != content:
                revision = 1 if held is None else held.revision + 1
                changed[key] = (_Subscription(revision, True, content), request, config)
        if changed:
            spans = self._prolonged({key[2] for key in changed}, active_from_ms, None)
            with self._database.transaction() as transaction:
                self._append_subscriptions(transaction, changed, active_from_ms)
                self._write_spans(transaction, spans)
            for key, (held, _, _) in changed.items():
                before = self._subscriptions.get(key)
                if before is None or not before.active:
                    self._subscribers[key[2]] += 1
                self._subscriptions[key] = held
            self._version += 1
            self._activity.adopt(spans, self._version)
        return len(changed)

    def unsubscribe(
        self, user_id: str, bot_id: str, condition_id: str, *, at_ms: int, grace_ms: int = GRACE_MS
    ) -> bool:
        with self._database.alone():
            key = (user_id, bot_id, condition_id)
            held = self._subscriptions.get(key)
            if held is None or not held.active:
                return False
            spans: dict[str, tuple[str, ActiveSpan]] = {}
            if self._subscribers[condition_id] == 1:
                span = self._activity.last(condition_id)
                ended = ActiveSpan(span.from_ms, max(span.from_ms, at_ms + grace_ms))
                spans[condition_id] = self._conditions[condition_id].group_key, ended
            with self._database.transaction() as transaction:
                transaction.execute(
                    """
                    INSERT INTO registry.user_condition_subscriptions BY NAME
                    SELECT * REPLACE (
                        revision + 1 AS revision, false AS active, ?::TIMESTAMP_MS AS active_from,
                        ?::TIMESTAMP_MS AS created_at
                    )
                    FROM registry.user_condition_subscriptions
                    WHERE user_id = ? AND bot_id = ? AND condition_id = ? AND revision = ?
                    """,
                    [_naive(at_ms), _naive(self._clock.now_ms()), *key, held.revision],
                )
                self._write_spans(transaction, spans)
            self._subscriptions[key] = replace(held, revision=held.revision + 1, active=False)
            self._subscribers[condition_id] -= 1
            if not self._subscribers[condition_id]:
                del self._subscribers[condition_id]
            self._version += 1
            self._activity.adopt(spans, self._version)
            return True

    def activity(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        return self._activity.all()

    def conditions(self, timeframe: str | None = None) -> list[StoredCondition]:
        return [held for held in self._conditions.values() if timeframe is None or held.timeframe == timeframe]

    def subscribers(self) -> Mapping[str, int]:
        return dict(self._subscribers)

    def totals(self) -> dict[str, int]:
        active = [key for key, held in self._subscriptions.items() if held.active]
        return {
            "conditions": len(self._conditions),
            "subscriptions": len(active),
            "users": len({user for user, _, _ in active}),
            "bots": len({(user, bot) for user, bot, _ in active}),
        }

    def version(self) -> int:
        return self._version

    def _prolonged(
        self, conditions: Iterable[str], from_ms_: int, until_ms: int | None
    ) -> dict[str, tuple[str, ActiveSpan]]:
        """The spans of known conditions that are wanted from a time on until another, where that changes them."""
        found: dict[str, tuple[str, ActiveSpan]] = {}
        for condition_id in conditions:
            group, last = self._conditions[condition_id].group_key, self._activity.last(condition_id)
            if last.until_ms is None or (until_ms is not None and until_ms <= last.until_ms):
                continue
            # A group that has been judged beyond the end of the span was judged without the condition since.
            begun = self._activity.begin(group, from_ms_, until_ms)
            goes_on = begun.from_ms <= last.until_ms
            found[condition_id] = group, ActiveSpan(last.from_ms, until_ms) if goes_on else begun
        return found

    def _write_spans(self, transaction: Transaction, spans: Mapping[str, tuple[str, ActiveSpan]]) -> None:
        self._activity.write(transaction, {name: span for name, (_, span) in spans.items()}, self._clock.now_ms())

    def _append_subscriptions(
        self,
        transaction: Transaction,
        changed: Mapping[tuple[str, str, str], tuple[_Subscription, SubscriptionRequest, str]],
        active_from_ms: int,
    ) -> None:
        rows = pl.DataFrame(
            [
                (request.user_id, request.bot_id, request.condition_id, held.revision, request.bot_type, config)
                for held, request, config in changed.values()
            ],
            schema=["user_id", "bot_id", "condition_id", "revision", "bot_type", "bot_config"],
            orient="row",
        ).with_columns(
            pl.lit(True).alias("active"),
            pl.lit(from_ms(active_from_ms).replace(tzinfo=None)).alias("active_from"),
            pl.lit(from_ms(self._clock.now_ms()).replace(tzinfo=None)).alias("created_at"),
        )
        transaction.append("registry.user_condition_subscriptions", rows)

    def _load_conditions(self) -> list[StoredCondition]:
        rows = self._database.frame(
            """
            SELECT condition_id, canonical, text, exchange, symbol, timeframe, group_key, definition_versions,
                   epoch_ms(active_from) AS active_from_ms
            FROM registry.condition_registry
            QUALIFY row_number() OVER (PARTITION BY condition_id ORDER BY revision DESC) = 1
            ORDER BY created_at, condition_id
            """
        )
        return [StoredCondition(**row) for row in rows.iter_rows(named=True)]

    def _load_subscriptions(self) -> dict[tuple[str, str, str], _Subscription]:
        rows = self._database.rows(
            """
            SELECT user_id, bot_id, condition_id, revision, active, sha256(bot_type || chr(10) || bot_config::VARCHAR)
            FROM registry.user_condition_subscriptions
            QUALIFY row_number() OVER (PARTITION BY user_id, bot_id, condition_id ORDER BY revision DESC) = 1
            """
        )
        return {
            (str(user), str(bot), str(condition)): _Subscription(int(str(revision)), bool(active), str(content))
            for user, bot, condition, revision, active, content in rows
        }


def _stored(condition: Condition, active_from_ms: int) -> StoredCondition:
    base = condition.instruments[0]
    return StoredCondition(
        condition_id=condition.id,
        canonical=condition.canonical,
        text=str(condition),
        exchange=base.exchange,
        symbol=base.symbol,
        timeframe=condition.timeframe,
        group_key=condition.group,
        definition_versions=condition.definition_versions,
        active_from_ms=active_from_ms,
    )


def _condition_rows(stored: Iterable[StoredCondition], now_ms: int) -> pl.DataFrame:
    return pl.DataFrame(list(stored)).select(
        pl.all().exclude("active_from_ms"),
        pl.lit(1).alias("revision"),
        pl.from_epoch("active_from_ms", time_unit="ms").cast(pl.Datetime("ms")).alias("active_from"),
        pl.lit(_naive(now_ms)).alias("created_at"),
    )


def _naive(time_ms: int) -> datetime:
    return from_ms(time_ms).replace(tzinfo=None)


def _digest(bot_type: str, config: str) -> str:
    return hashlib.sha256(f"{bot_type}\n{config}".encode()).hexdigest()
