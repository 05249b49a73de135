"""Conditions and subscriptions in ``registry.duckdb``: rows with a revision, the newest counts, indexed in memory."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from common.clock import Clock
from common.errors import ConditionRetired, StoreError
from registry.activity import GRACE_MS, ActiveSpan
from registry.conditions import Condition
from registry.directory import Directory
from registry.groups import Group, Series
from registry.instruments import Calendar
from registry.language.packed import pack
from registry.quotas import ConditionQuota, SubscriptionQuota
from registry.shards import Shard
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.changed_conditions import ChangedConditions
from registry.store.files.condition_loading import load_conditions
from registry.store.files.condition_search import ConditionSearch
from registry.store.files.group_commit import GroupCommit, PendingOperation
from registry.store.files.prepared_requests import PreparedRequest, prepare
from registry.store.files.registered_today import RegisteredToday
from registry.store.files.registry_draft import RegistryDraft
from registry.store.files.subscription_changes import check_quota, end, forget, pause, take
from registry.store.files.subscription_draft import SubscriptionDraft
from registry.store.files.subscription_loading import changed_subscriptions, load_subscriptions
from registry.store.files.succession_tables import SuccessionTables
from registry.store.files.trigger_tables import TriggerTables
from registry.store.files.unjudged_tables import UnjudgedTables
from registry.store.files.user_usage import UserUsages
from registry.store.files.wanted_groups import ConditionsPerSeries, WantedGroups
from registry.store.files.watermarks import Watermarks
from registry.store.files.zone_tables import ZoneTables
from registry.store.parts.condition_pages import ConditionPage, ConditionQuery, UserUsage, WantedGroup
from registry.store.parts.registry import (
    RegisterResult,
    RegistryChanges,
    StoredCondition,
    StoredSubscription,
    SubscribeResult,
    SubscriptionRecord,
    SubscriptionRequest,
    Superseded,
    Unjudged,
    UpgradeNotice,
    retired_text,
)
from registry.store.sql import Database, Transaction, last_rows

_LONGEST_REASON = 500
"""Characters."""
_SUPERSEDED_BYTES, _SUPERSEDED_MOST = 4 * 1024 * 1024, 2_000
"""Configurations that nobody needs are dropped when there are as many bytes of them, or as many of them: each time,
DuckDB rewrites a part of the table."""


class RegistryTables:
    """Implements :class:`registry.store.parts.registry.RegistryStore`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        directory: Callable[[], Directory],
        activity: ActivityTables,
        watermarks: Watermarks,
        triggers: TriggerTables,
        calendars: Callable[[], Mapping[str, Calendar]],
    ) -> None:
        self._database = database
        self._activity = activity
        self._clock = clock
        self._directory = directory
        self._conditions = {condition.condition_id: condition for condition in load_conditions(database)}
        self._subscriptions, surplus = load_subscriptions(database)
        if surplus and not database.read_only:
            # What a process before this one left, which ended before it came to it.
            with database.transaction() as transaction:
                _drop_configs(transaction, surplus)
        self._superseded: dict[int, int] = {}
        """Changes whose configurations have to be dropped -> the bytes of these. The next start finds them, too."""
        self._unjudged = UnjudgedTables(database)
        self._succession = SuccessionTables(database, clock)
        self._zones = ZoneTables(database, clock.now_ms())
        self._registered_today = RegisteredToday(database)
        # Derived from the stored rows: unchanged by a restart, and never a version that stood for something else.
        self._version = activity.begin_at(self._subscriptions.last_change)
        self._judged, self._subscribed = ChangedConditions(self._version), ChangedConditions(self._version)
        self._group_commit = GroupCommit(self._commit)
        self._search = ConditionSearch(
            self._conditions,
            self._subscriptions.active,
            activity.of,
            triggers.condition_state,
            (self._subscriptions.changed_conditions, activity.follow(), triggers.fired),
            self._unjudged.all,
            watermarks.of,
            lambda: [symbol for symbol, calendar in calendars().items() if calendar == "sessions"],
        )
        self._wanted = WantedGroups(self._conditions, activity.of, activity.follow(), watermarks.of, self._unjudged.all)
        self._per_series = ConditionsPerSeries(self._conditions)
        self._usages = UserUsages(self._conditions, self._subscriptions)

    def register(
        self,
        conditions: Sequence[Condition],
        *,
        active_from_ms: int,
        grace_ms: int = GRACE_MS,
        registered_by: Mapping[str, str] | None = None,
        quota: ConditionQuota | None = None,
    ) -> list[RegisterResult]:
        # A known condition stays known, and so does a listed instrument: only the others may have to be written, and
        # what is wrong with them is said without keeping other writers waiting.
        directory, fresh = self._directory(), {}
        for condition in conditions:
            if condition.id not in self._conditions:
                for instrument in condition.instruments:
                    directory.check(instrument)
                fresh[condition.id] = _stored(condition, active_from_ms)
        return self._group_commit.run(
            partial(self._register, conditions, fresh, active_from_ms, grace_ms, registered_by or {}, quota)
        )

    def subscribe(
        self,
        requests: Sequence[SubscriptionRequest],
        *,
        active_from_ms: int,
        quota: SubscriptionQuota | None = None,
    ) -> list[SubscribeResult]:
        return self._group_commit.run(partial(self._subscribe, prepare(requests), active_from_ms, quota))

    def unsubscribe(
        self, user_id: str, bot_id: str, condition_id: str, *, at_ms: int, grace_ms: int = GRACE_MS
    ) -> bool:
        return self._group_commit.run(partial(end, (user_id, bot_id, condition_id), at_ms + grace_ms))

    def set_paused(
        self, user_id: str, bot_id: str, condition_id: str, paused: bool, *, at_ms: int
    ) -> StoredSubscription | None:
        return self._group_commit.run(partial(pause, (user_id, bot_id, condition_id), paused, at_ms))

    def report_errors(self, errors: Mapping[str, str], judged_again: Sequence[str] = ()) -> list[str]:
        return self._group_commit.run(partial(self._report_errors, errors, judged_again))

    def retire(self, condition_id: str, why: str, *, at_ms: int) -> Unjudged:
        reason = " ".join(why.split())
        if not 1 <= len(reason) <= _LONGEST_REASON:
            raise StoreError(
                f"the reason for retiring {condition_id} has {len(reason)} characters; write 1 to {_LONGEST_REASON},"
                " as its subscribers read it in the condition's status"
            )
        return self._group_commit.run(partial(self._retire, condition_id, Unjudged("retired", reason, at_ms)))

    def reinstate(self, condition_id: str, *, active_from_ms: int, grace_ms: int = GRACE_MS) -> bool:
        return self._group_commit.run(partial(self._reinstate, condition_id, active_from_ms, grace_ms))

    def unjudged(self) -> Mapping[str, Unjudged]:
        return self._unjudged.all()

    def unjudged_of(self, condition_id: str) -> Unjudged | None:
        return self._unjudged.of(condition_id)

    def config_bytes(self, user_id: str) -> int:
        return self._subscriptions.config_bytes(user_id)

    def condition(self, condition_id: str) -> StoredCondition | None:
        return self._conditions.get(condition_id)

    def conditions(self, timeframe: str | None = None) -> list[StoredCondition]:
        # Copied in one go: another thread may add conditions meanwhile.
        conditions = list(self._conditions.values())
        return conditions if timeframe is None else [each for each in conditions if each.timeframe == timeframe]

    def changes_after(self, version: int, timeframe: str, shard: Shard | None = None) -> RegistryChanges:
        # First the version: what is committed meanwhile may be told twice, and is never left out.
        leads_to = self._version
        judged, subscribed = self._judged.after(version), self._subscribed.after(version)
        is_complete = judged is None or subscribed is None
        # Copied in one go: another thread may add conditions meanwhile.
        known = list(self._conditions) if judged is None or subscribed is None else []

        def of_shard(condition_ids: Sequence[str]) -> list[StoredCondition]:
            conditions = map(self._conditions.__getitem__, condition_ids)
            of_timeframe = [condition for condition in conditions if condition.timeframe == timeframe]
            if shard is None:
                return of_timeframe
            return [condition for condition in of_timeframe if shard.has(condition.group.base)]

        conditions = of_shard(judged if judged is not None and not is_complete else known)
        counted = conditions if is_complete else of_shard(subscribed or [])
        return RegistryChanges(
            version=leads_to,
            is_complete=is_complete,
            conditions=conditions,
            activity={each.condition_id: self._activity.of(each.condition_id) for each in conditions},
            subscribers={each.condition_id: self._subscriptions.active(each.condition_id) for each in counted},
        )

    def condition_page(self, query: ConditionQuery) -> ConditionPage:
        return self._search.page(query, self._clock.now_ms())

    def condition_counts(self) -> dict[str, int]:
        return self._search.counts(self._clock.now_ms())

    def conditions_per_series(self) -> Mapping[Series, int]:
        return self._per_series.counts()

    def conditions_on(self, series: Series) -> list[StoredCondition]:
        return self._per_series.on(series)

    def wanted_groups(self) -> list[WantedGroup]:
        return self._wanted.all()

    def users(self, limit: int, offset: int = 0) -> list[UserUsage]:
        return self._usages.most(limit, offset)

    def superseded(self, condition_id: str) -> Superseded | None:
        return self._succession.superseded(condition_id)

    def all_superseded(self) -> list[Superseded]:
        return self._succession.all_superseded()

    def successor(self, condition_id: str) -> str:
        return self._succession.successor(condition_id)

    def successors(self) -> Mapping[str, str]:
        return self._succession.all()

    def notices_of(self, user_id: str, after_seq: int = 0) -> list[UpgradeNotice]:
        return self._succession.notices(self.moved_of(user_id), self.subscriptions_of(user_id), after_seq)

    def moved_of(self, user_id: str) -> list[StoredSubscription]:
        return self._subscriptions.moved_of_user(user_id)

    def announce_upgrades(self, next_seq: Callable[[], int]) -> int:
        """Give each upgrade that owners have not been told of the next number of the triggers; returns how many."""
        return self._succession.announce(next_seq)

    def activity(self) -> Mapping[str, tuple[ActiveSpan, ...]]:
        return self._activity.all()

    def activity_of(self, condition_id: str) -> tuple[ActiveSpan, ...]:
        return self._activity.of(condition_id)

    def subscription(self, user_id: str, bot_id: str, condition_id: str) -> StoredSubscription | None:
        entry = self._subscriptions.get((user_id, bot_id, condition_id))
        return None if entry is None or entry.subscription.state == "ended" else entry.subscription

    def subscriptions_of(self, user_id: str) -> list[StoredSubscription]:
        return self._subscriptions.of_user(user_id)

    def bots_of(self, user_id: str) -> Mapping[str, int]:
        return self._subscriptions.bots_of_user(user_id)

    def subscribers_of(self, condition_id: str) -> list[StoredSubscription]:
        return self._subscriptions.of_condition(condition_id)

    def subscription_changes(self, after: int, limit: int) -> list[StoredSubscription]:
        return self._subscriptions.changed_after(after, limit)

    def last_change(self) -> int:
        return self._subscriptions.last_change

    def bot_config(self, user_id: str, bot_id: str, condition_id: str) -> dict[str, object] | None:
        entry = self._subscriptions.get((user_id, bot_id, condition_id))
        if entry is None or entry.subscription.state == "ended":
            return None
        # Looked up by the number of its change, which lets DuckDB skip all row groups but one.
        rows = self._database.rows(
            "SELECT bot_config::VARCHAR FROM registry.user_condition_subscriptions WHERE change = ?",
            [entry.config_change],
        )
        config: dict[str, object] = json.loads(str(rows[0][0]))
        return config

    def subscription_records(self, user_id: str) -> list[SubscriptionRecord]:
        entries = self._subscriptions.all_of_user(user_id)
        rows = self._database.rows(
            "SELECT change, bot_config::VARCHAR FROM registry.user_condition_subscriptions "
            "WHERE user_id = ? AND bot_config IS NOT NULL",
            [user_id],
        )
        configs = {int(str(change)): json.loads(str(config)) for change, config in rows}
        return [SubscriptionRecord(entry.subscription, configs.get(entry.config_change)) for entry in entries]

    def forget_user(self, user_id: str, *, at_ms: int, grace_ms: int = GRACE_MS) -> int:
        return self._group_commit.run(partial(forget, user_id, at_ms + grace_ms))

    def subscribers(self) -> Mapping[str, int]:
        return self._subscriptions.subscribers()

    def subscriber_count(self, condition_id: str) -> int:
        return self._subscriptions.active(condition_id)

    def popularity(self, condition_id: str, user_id: str) -> int:
        return self._subscriptions.popularity(condition_id, user_id)

    def totals(self) -> dict[str, int]:
        states = [why.state for why in self._unjudged.all().values()]
        return {
            "conditions": len(self._conditions),
            **self._subscriptions.totals(),
            "in_error": states.count("err"),
            "retired": states.count("retired"),
            "superseded": len(self._succession.all()),
        }

    def version(self) -> int:
        return self._version

    def _commit(self, batch: list[PendingOperation[RegistryDraft]]) -> None:
        # Nobody else writes: no tick gets in between reading the watermarks and adopting the conditions.
        with self._database.alone():
            now_ms = self._clock.now_ms()
            changes = SubscriptionDraft(self._subscriptions, now_ms)
            draft = RegistryDraft(self._conditions, self._activity, changes, self._unjudged, self._zones, now_ms)
            for pending in batch:
                try:
                    pending.answer = pending.operation(draft)
                except Exception as error:  # an operation raises before it changes the draft
                    pending.error = error
            if draft.is_empty:
                return
            superseded = self._superseded | changes.superseded if changes.superseded else self._superseded
            drops = len(superseded) >= _SUPERSEDED_MOST or sum(superseded.values()) >= _SUPERSEDED_BYTES
            with self._database.transaction() as transaction:
                draft.write(transaction)
                if drops:
                    _drop_configs(transaction, list(superseded))
            self._superseded = {} if drops else superseded
            # A reader that sees the new version finds everything that it stands for.
            version = self._version + draft.size
            draft.adopt(version)
            self._registered_today.add(draft.registered)
            self._judged.note(draft.judged, version)
            self._subscribed.note(changes.conditions, version)
            self._version = version

    def follow(self, conditions: int, spans: int, subscriptions: int, unjudged: int) -> None:
        """Take up what others committed: so many rows more of each table."""
        last_change = self._subscriptions.last_change
        fresh: list[StoredCondition] = []
        if conditions:
            fresh += load_conditions(self._database, last_rows("registry.condition_registry", conditions))
            self._registered_today.follow(conditions)
        changed = list(changed_subscriptions(self._database, subscriptions, self._subscriptions.get))
        version = self._version + spans + (changed[-1].subscription.change - last_change if changed else 0)
        known = {condition.condition_id: condition for condition in fresh}
        begun = self._activity.written(spans) if spans else []
        for condition_id, span in begun:
            condition = known.get(condition_id) or self._conditions[condition_id]
            self._activity.adopt(condition_id, condition.group, span, version)
        if unjudged:
            self._unjudged.adopt(self._unjudged.written(unjudged))
        for condition_id, condition in known.items():
            self._conditions.setdefault(condition_id, condition)
        self._subscriptions.put(changed)
        self._judged.note((condition_id for condition_id, _ in begun), version)
        self._subscribed.note((entry.subscription.condition_id for entry in changed), version)
        self._version = version

    def follow_announcements(self) -> None:
        """Take up upgrades that others announced."""
        self._succession.load_announcements()

    def follow_zones(self) -> None:
        """Take up zones that others have come to use."""
        self._zones.load()

    def _register(
        self,
        conditions: Sequence[Condition],
        fresh: Mapping[str, StoredCondition],
        active_from_ms: int,
        grace_ms: int,
        registered_by: Mapping[str, str],
        quota: ConditionQuota | None,
        draft: RegistryDraft,
    ) -> list[RegisterResult]:
        for condition in conditions:
            _refuse_retired(condition.id, draft)
            stored = draft.condition(condition.id)
            if stored is not None and stored.canonical != condition.canonical:
                raise StoreError(
                    f"condition id {condition.id} already stands for {stored.canonical!r}, not {condition.canonical!r}"
                )
        if quota is not None:
            self._check_quota(conditions, registered_by, quota, draft)
        if fresh:
            draft.use_zones(self._zones.fresh(condition for condition in conditions if condition.id in fresh))
        until_ms = active_from_ms + grace_ms
        begun: dict[Group, ActiveSpan] = {}
        answers = []
        for condition in conditions:
            stored = draft.condition(condition.id)
            answers.append(RegisterResult(condition.id, created=stored is None))
            if stored is None:
                new = fresh[condition.id]
                span = begun.get(new.group)
                if span is None:
                    span = begun[new.group] = self._activity.begin(new.group, active_from_ms, until_ms)
                if span.from_ms != new.active_from_ms:
                    new = replace(new, active_from_ms=span.from_ms)
                draft.add_condition(new, span, registered_by.get(condition.id))
            else:
                draft.want(stored, active_from_ms, until_ms)
        return answers

    def _check_quota(
        self,
        conditions: Sequence[Condition],
        registered_by: Mapping[str, str],
        quota: ConditionQuota,
        draft: RegistryDraft,
    ) -> None:
        """Refuse what is new and too much for the user to whom it would be counted."""
        fresh = {each.id: each for each in conditions if draft.condition(each.id) is None}
        for user_id in {registered_by[condition_id] for condition_id in fresh if condition_id in registered_by}:
            sizes = [len(each.canonical) for each in fresh.values() if registered_by.get(each.id) == user_id]
            stored, coming = self._registered_today.of(user_id, draft.now_ms), draft.registered.get(user_id, (0, 0))
            taken = stored[0] + coming[0], stored[1] + coming[1]
            quota.check(user_id, taken, (len(sizes), sum(sizes)), draft.now_ms)

    def _subscribe(
        self,
        prepared: Sequence[PreparedRequest],
        active_from_ms: int,
        quota: SubscriptionQuota | None,
        draft: RegistryDraft,
    ) -> list[SubscribeResult]:
        for condition_id in dict.fromkeys([each.key[2] for each in prepared]):
            if draft.condition(condition_id) is None:
                raise StoreError(self._unknown(condition_id, "register it before subscribing"))
            _refuse_retired(condition_id, draft)
        if quota is not None:
            check_quota(prepared, quota, draft.subscriptions)
        return take(prepared, active_from_ms, draft)

    def _report_errors(self, errors: Mapping[str, str], judged_again: Sequence[str], draft: RegistryDraft) -> list[str]:
        fresh = []
        for condition_id, reason in errors.items():
            stored, before = draft.condition(condition_id), draft.unjudged(condition_id)
            if stored is not None and before is None:
                fresh.append(condition_id)
                draft.stop(stored, Unjudged("err", reason[:_LONGEST_REASON], draft.now_ms), draft.now_ms)
        for condition_id in judged_again:
            stored, before = draft.condition(condition_id), draft.unjudged(condition_id)
            if stored is not None and before is not None and before.state == "err":
                draft.resume(stored, None, GRACE_MS)
        return fresh

    def _retire(self, condition_id: str, why: Unjudged, draft: RegistryDraft) -> Unjudged:
        draft.stop(self._registered(condition_id, draft), why, why.since_ms)
        return why

    def _reinstate(self, condition_id: str, active_from_ms: int, grace_ms: int, draft: RegistryDraft) -> bool:
        stored, before = self._registered(condition_id, draft), draft.unjudged(condition_id)
        if before is not None:
            draft.resume(stored, active_from_ms if before.state == "retired" else None, grace_ms)
        return before is not None

    def _registered(self, condition_id: str, draft: RegistryDraft) -> StoredCondition:
        stored = draft.condition(condition_id)
        if stored is None:
            raise StoreError(self._unknown(condition_id, "list those that are: hub conditions list"))
        return stored

    def _unknown(self, condition_id: str, advice: str) -> str:
        """What is wrong with the id of a condition that is not there."""
        successor = self.successor(condition_id)
        if successor != condition_id:
            return f"condition {condition_id!r} is superseded by {successor!r} since an upgrade of the hub; use that id"
        return f"condition {condition_id!r} is not registered; {advice}"


def _refuse_retired(condition_id: str, draft: RegistryDraft) -> None:
    why = draft.unjudged(condition_id)
    if why is not None and why.state == "retired":
        raise ConditionRetired(retired_text(condition_id, why))


def _drop_configs(transaction: Transaction, changes: list[int]) -> None:
    """Forget the configurations that these changes brought; the changes themselves stay."""
    transaction.execute(
        """
        UPDATE registry.user_condition_subscriptions SET bot_config = NULL
        WHERE change IN (SELECT unnest(?::BIGINT[]))
        """,
        [changes],
    )


def _stored(condition: Condition, active_from_ms: int) -> StoredCondition:
    condition.check_reads_back()
    base = condition.series.instrument
    return StoredCondition(
        condition_id=condition.id,
        canonical=condition.canonical,
        text=condition.text,
        exchange=base.exchange,
        symbol=base.symbol,
        timeframe=condition.timeframe,
        group=condition.group,
        definition_versions=condition.definition_versions,
        active_from_ms=active_from_ms,
        packed=pack(condition.names, condition.tree, condition.surface),
    )
