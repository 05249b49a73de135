"""Tells webhooks what an upgrade of the hub did to the conditions of their user's bots: each notice once."""

import msgspec

from common.clock import Clock
from events.webhooks.outbox import NewParcel, Outbox
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import UpgradeNotice
from registry.store.protocol import Store

_READER = "webhook-notices"
"""The name under which the store knows how far notices have been put into the outbox."""


class NoticeBody(msgspec.Struct, frozen=True):
    """A notice as bots get it."""

    notice_id: str
    bot_id: str
    condition_id: str
    superseded_by: str | None
    """``null``: the condition cannot be judged any more."""
    reason: str


def body_of(notice: UpgradeNotice) -> NoticeBody:
    """What a bot is told."""
    return NoticeBody(notice.notice_id, notice.bot_id, notice.condition_id, notice.superseded_by, notice.reason)


def put_notices(store: Store, outbox: Outbox, clock: Clock) -> int:
    """Put the notices since the last call into the outbox, ahead of what fires from now on. Returns how many.

    A crash in between repeats them, and the outbox drops what it has taken before.
    """
    after, newest = store.delivery.cursors().get(_READER, 0), store.triggers.last_seq()
    hooks: dict[str, list[Webhook]] = {}
    for hook in store.delivery.webhooks():
        # Who has a template of their own gets what fires, in a form that notices do not fit into.
        if hook.state != "ended" and hook.template is None:
            hooks.setdefault(hook.user_id, []).append(hook)
    parcels = [
        _parcel(hook, notice)
        for user_id, theirs in hooks.items()
        for notice in store.registry.notices_of(user_id, after)
        for hook in theirs
        if hook.bot_id in (None, notice.bot_id) and notice.seq > hook.from_seq
    ]
    outbox.put(parcels, clock.now_ms())
    if newest > after:
        store.delivery.move_cursor(_READER, newest)
    return len(parcels)


def _parcel(hook: Webhook, notice: UpgradeNotice) -> NewParcel:
    delivery_id = f"notice:{notice.notice_id}"
    body = {"delivery_id": delivery_id, "occasion": "notice", "bot_id": notice.bot_id, "notice": body_of(notice)}
    return NewParcel(hook.webhook_id, delivery_id, msgspec.json.encode(body))
