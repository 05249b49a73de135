"""How one subscription changes, in the draft of a commit. An operation raises before it changes the draft."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from registry.quotas import SubscriptionQuota
from registry.store.files.registry_draft import PreparedRequest, RegistryDraft
from registry.store.files.subscription_index import SubscriptionKey
from registry.store.parts.registry import StoredSubscription, SubscribeResult
from registry.subscriptions import with_expiry


def check_quota(prepared: Sequence[PreparedRequest], quota: SubscriptionQuota, draft: RegistryDraft) -> None:
    """Raises :class:`common.errors.QuotaExceeded` if what is requested is too much for its user."""
    bots: dict[str, Counter[str]] = {}
    config_bytes: dict[str, int] = {}
    sizes: dict[SubscriptionKey, int] = {}
    for each in prepared:
        user_id, bot_id, _ = key = each.key
        entry = draft.entry(key)
        is_new = key not in sizes and (entry is None or entry.subscription.state == "ended")
        if is_new and not draft.has_room(user_id, quota.room - len(prepared)):
            # Counted only near the limit: users may have thousands.
            counted = bots.setdefault(user_id, draft.bots_of(user_id))
            quota.check_bot(user_id, bot_id, counted)
            counted[bot_id] += 1
        size = len(each.config)
        before = sizes.get(key, 0 if entry is None else entry.subscription.config_bytes)
        taken = config_bytes.get(user_id, draft.config_bytes(user_id))
        quota.check_bytes(user_id, taken, size - before)
        config_bytes[user_id], sizes[key] = taken + size - before, size


def take(prepared: PreparedRequest, active_from_ms: int, draft: RegistryDraft) -> SubscribeResult:
    """Subscribe, or change what is subscribed; the same once more changes nothing."""
    request = prepared.request
    entry = draft.entry(prepared.key)
    before = None if entry is None else entry.subscription
    is_new = before is None or before.state == "ended"
    if entry is not None and entry.subscription.state == "active" and entry.content == prepared.content:
        return SubscribeResult(entry.subscription, created=False, changed=False)
    stored = draft.condition(request.condition_id)
    assert stored is not None
    # An active one continues without a gap; triggers that closed while it was paused are not delivered.
    goes_on = before is not None and before.state == "active"
    begins = before.active_from_ms if before is not None and goes_on else active_from_ms
    policy = with_expiry(request.policy, begins)
    draft.want(stored, active_from_ms, None)
    subscription = StoredSubscription(
        user_id=request.user_id,
        bot_id=request.bot_id,
        condition_id=stored.condition_id,
        bot_type=request.bot_type,
        policy=policy,
        state="active",
        active_from_ms=begins,
        created_ms=draft.now_ms if before is None or is_new else before.created_ms,
        revision=1 if before is None else before.revision + 1,
        change=draft.next_change,
        config_bytes=len(prepared.config),
    )
    return SubscribeResult(draft.put(subscription, prepared.content, prepared.config), created=is_new, changed=True)


def end(key: SubscriptionKey, until_ms: int, draft: RegistryDraft) -> bool:
    """End a subscription; if it was the last, its condition is judged until ``until_ms``. Returns whether it ended."""
    entry = draft.entry(key)
    if entry is None or entry.subscription.state == "ended":
        return False
    if draft.kept(key[2]) == 1:
        draft.end(key[2], until_ms)
    before = entry.subscription
    ended = replace(before, state="ended", revision=before.revision + 1, change=draft.next_change, config_bytes=0)
    draft.put(ended, entry.content)
    return True


def forget(user_id: str, until_ms: int, draft: RegistryDraft) -> int:
    """End all subscriptions of a user and drop their configurations. Returns how many ended."""
    draft.drop_configurations(user_id)
    return sum(end(key, until_ms, draft) for key in draft.keys_of(user_id))


def pause(key: SubscriptionKey, paused: bool, at_ms: int, draft: RegistryDraft) -> StoredSubscription | None:
    """Pause or resume a subscription; ``None`` if there is none."""
    entry = draft.entry(key)
    if entry is None or entry.subscription.state == "ended":
        return None
    before = entry.subscription
    if (before.state == "paused") == paused:
        return before
    return draft.put(
        replace(
            before,
            state="paused" if paused else "active",
            active_from_ms=before.active_from_ms if paused else max(before.active_from_ms, at_ms),
            revision=before.revision + 1,
            change=draft.next_change,
        ),
        entry.content,
    )
