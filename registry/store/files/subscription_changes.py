"""How subscriptions change, in the draft of a commit. An operation raises before it changes the draft."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import repeat

from common.records import records_of
from registry.quotas import SubscriptionQuota
from registry.store.files.prepared_requests import PreparedRequest
from registry.store.files.registry_draft import RegistryDraft
from registry.store.files.subscription_draft import SubscriptionDraft
from registry.store.files.subscription_index import SubscriptionKey
from registry.store.parts.registry import StoredSubscription, SubscribeResult
from registry.subscriptions import with_expiry


def check_quota(prepared: Sequence[PreparedRequest], quota: SubscriptionQuota, draft: SubscriptionDraft) -> None:
    """Raises :class:`common.errors.QuotaExceeded` if what is requested is too much for its user."""
    room: dict[str, bool] = {}
    bots: dict[str, Counter[str]] = {}
    config_bytes: dict[str, int] = {}
    sizes: dict[SubscriptionKey, int] = {}
    are_new = draft.are_new([each.key for each in prepared])
    for each, is_unknown in zip(prepared, are_new, strict=True):
        user_id, bot_id, _ = key = each.key
        entry = None if is_unknown else draft.entry(key)
        if user_id not in room:
            room[user_id] = draft.has_room(user_id, quota.room - len(prepared))
            config_bytes[user_id] = draft.config_bytes(user_id)
        is_new = key not in sizes and (entry is None or entry.subscription.state == "ended")
        if is_new and not room[user_id]:
            # Counted only near the limit: users may have thousands.
            counted = bots.get(user_id)
            if counted is None:
                counted = bots[user_id] = draft.bots_of(user_id)
            quota.check_bot(user_id, bot_id, counted)
            counted[bot_id] += 1
        size = len(each.config)
        before = sizes.get(key, 0 if entry is None else entry.subscription.config_bytes)
        taken = config_bytes[user_id]
        quota.check_bytes(user_id, taken, size - before)
        config_bytes[user_id], sizes[key] = taken + size - before, size


def take(prepared: Sequence[PreparedRequest], active_from_ms: int, draft: RegistryDraft) -> list[SubscribeResult]:
    """Subscribe, or change what is subscribed, in the order of the requests; the same once more changes nothing."""
    answers: list[SubscribeResult] = []
    fresh: list[PreparedRequest] = []
    taken: set[SubscriptionKey] = set()
    are_new = draft.subscriptions.are_new([each.key for each in prepared])
    for each, is_new in zip(prepared, are_new, strict=True):
        if is_new and each.key not in taken:
            taken.add(each.key)
            fresh.append(each)
        else:
            answers += _take_new(fresh, active_from_ms, draft)
            fresh = []
            answers.append(_take_known(each, active_from_ms, draft))
    return answers + _take_new(fresh, active_from_ms, draft)


def _take_new(prepared: Sequence[PreparedRequest], active_from_ms: int, draft: RegistryDraft) -> list[SubscribeResult]:
    """Subscribe where there is no subscription, not even one that has ended; each request is of another one."""
    if not prepared:
        return []
    count, first = len(prepared), draft.subscriptions.next_change
    keys = [each.key for each in prepared]
    # Their names as they are in memory already.
    condition_ids = _want(dict.fromkeys([condition_id for _, _, condition_id in keys]), active_from_ms, draft)
    policies = {id(each.policy): each.policy for each in prepared}
    expiring = {number: with_expiry(policy, active_from_ms) for number, policy in policies.items()}
    subscriptions = records_of(
        StoredSubscription,
        count,
        {
            "user_id": [user_id for user_id, _, _ in keys],
            "bot_id": [bot_id for _, bot_id, _ in keys],
            "condition_id": [condition_ids[condition_id] for _, _, condition_id in keys],
            "bot_type": [each.bot_type for each in prepared],
            "policy": [expiring[id(each.policy)] for each in prepared],
            "state": repeat("active"),
            "active_from_ms": repeat(active_from_ms),
            "created_ms": repeat(draft.now_ms),
            "revision": repeat(1),
            "change": range(first, first + count),
            "config_bytes": [len(each.config) for each in prepared],
            "moved_to": repeat(None),
        },
    )
    draft.subscriptions.add(subscriptions, prepared)
    return records_of(
        SubscribeResult, count, {"subscription": subscriptions, "created": repeat(True), "changed": repeat(True)}
    )


def _take_known(prepared: PreparedRequest, active_from_ms: int, draft: RegistryDraft) -> SubscribeResult:
    """Change a subscription, or take one up again that has ended."""
    user_id, bot_id, condition_id = prepared.key
    entry = draft.subscriptions.entry(prepared.key)
    assert entry is not None
    before = entry.subscription
    if before.state == "active" and entry.content == prepared.content:
        return SubscribeResult(before, created=False, changed=False)
    is_new = before.state == "ended"
    # An active one continues without a gap; triggers that closed while it was paused are not delivered.
    begins = before.active_from_ms if before.state == "active" else active_from_ms
    subscription = StoredSubscription(
        user_id=user_id,
        bot_id=bot_id,
        condition_id=_want([condition_id], active_from_ms, draft)[condition_id],
        bot_type=prepared.bot_type,
        policy=with_expiry(prepared.policy, begins),
        state="active",
        active_from_ms=begins,
        created_ms=draft.now_ms if is_new else before.created_ms,
        revision=before.revision + 1,
        change=draft.subscriptions.next_change,
        config_bytes=len(prepared.config),
    )
    draft.subscriptions.put(subscription, prepared.content, prepared.config)
    return SubscribeResult(subscription, created=is_new, changed=True)


def _want(condition_ids: Iterable[str], from_ms: int, draft: RegistryDraft) -> dict[str, str]:
    """Have registered conditions judged from a time on; their ids, each as the object that the registry has of it."""
    stored = {condition_id: draft.condition(condition_id) for condition_id in condition_ids}
    shared = {}
    for condition_id, condition in stored.items():
        assert condition is not None
        draft.want(condition, from_ms, None)
        shared[condition_id] = condition.condition_id
    return shared


def end(key: SubscriptionKey, until_ms: int, draft: RegistryDraft) -> bool:
    """End a subscription; if it was the last, its condition is judged until ``until_ms``. Returns whether it ended."""
    entry = draft.subscriptions.entry(key)
    if entry is None or entry.subscription.state == "ended":
        return False
    if draft.subscriptions.kept(key[2]) == 1:
        draft.end(key[2], until_ms)
    before = entry.subscription
    ended = replace(
        before, state="ended", revision=before.revision + 1, change=draft.subscriptions.next_change, config_bytes=0
    )
    draft.subscriptions.put(ended, entry.content)
    return True


def forget(user_id: str, until_ms: int, draft: RegistryDraft) -> int:
    """End all subscriptions of a user and drop their configurations. Returns how many ended."""
    draft.subscriptions.drop_configurations(user_id)
    return sum(end(key, until_ms, draft) for key in draft.subscriptions.keys_of(user_id))


def pause(key: SubscriptionKey, paused: bool, at_ms: int, draft: RegistryDraft) -> StoredSubscription | None:
    """Pause or resume a subscription; ``None`` if there is none."""
    entry = draft.subscriptions.entry(key)
    if entry is None or entry.subscription.state == "ended":
        return None
    before = entry.subscription
    if (before.state == "paused") == paused:
        return before
    return draft.subscriptions.put(
        replace(
            before,
            state="paused" if paused else "active",
            active_from_ms=before.active_from_ms if paused else max(before.active_from_ms, at_ms),
            revision=before.revision + 1,
            change=draft.subscriptions.next_change,
        ),
        entry.content,
    )
