"""Everything about one user: shown, without what would let somebody act as the user; and removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from common.clock import Clock
from common.errors import EventLogError, HubError
from common.settings import Settings
from common.timeframes import iso_time
from events.consuming.consumer_state import ConsumerState
from events.consuming.dead_letters import consumers_with_dead_letters, dead_letters, order_to_forget
from events.consuming.delivery import is_to_user
from events.consuming.ledger import Ledger, LedgerInUse
from events.log.redis_log import RedisEventLog
from events.opening import connect_log
from events.webhooks.outbox import Outbox
from events.webhooks.sender import CONSUMER
from hub.user_orders import UserOrders
from registry.store.parts.bots import HISTORY_SCHEMAS, StoredBot
from registry.store.protocol import Store

_MOST_LETTERS = 1_000_000
_MOST_DONE = 100_000
_PRIVATE = "bot_config"
"""The user's own, and left as it is."""

STAYS = (
    "conditions and their triggers: equal conditions are one for all users, and say nothing about who registered them",
    "the names of the user and the bots in the ended subscriptions: consumers have to learn that they have ended",
    "backups, logs, and event streams and ledgers of consumers of your own that are not running: delete those yourself",
)
"""What :func:`delete_user` does not remove, and why."""


@dataclass(frozen=True)
class DeletedUser:
    """How much was removed."""

    keys: int
    webhooks: int
    bots: int
    """Those that the hub ran, ended ones too, with everything that they did."""
    subscriptions: int
    """Ended by the deletion; configurations of earlier ones are removed too."""
    consumers: list[str] | None
    """Those that forget the user's deliveries; ``None`` if the event log could not be reached."""
    orders_left: list[str]
    """Orders of the user's bots at exchanges that could not be taken back, and why."""
    coins_left: list[str]
    """What the user's bots have bought at exchanges, and is still in the accounts."""


def export_user(store: Store, settings: Settings, user_id: str) -> dict[str, Any]:
    """Everything that the hub has of a user, for the user to read: no secret or digest of one is in it.

    Raises :class:`HubError` if there is nothing.
    """
    keys, webhooks = store.accounts.keys(user_id), store.delivery.webhooks(user_id)
    records = store.registry.subscription_records(user_id)
    bots = store.bots.bots_of(user_id)
    if not (keys or webhooks or records or bots):
        raise HubError(f"there is nothing of a user {user_id!r}; `hub keys list` shows the users that have keys")
    subscriptions = []
    for record in records:
        superseded = store.registry.superseded(record.subscription.condition_id)
        condition = (
            store.registry.condition(record.subscription.condition_id) if superseded is None else superseded.condition
        )
        text = None if condition is None else condition.text
        subscriptions.append({**asdict(record.subscription), "condition": text, "bot_config": record.bot_config})
    exported = {
        "user_id": user_id,
        "keys": [_without(asdict(key), "secret_sha256") for key in keys],
        "subscriptions": subscriptions,
        "webhooks": [_without(asdict(webhook), "secret", "secrets", "headers") for webhook in webhooks],
        "bots": [_bot_of(store, bot) for bot in bots],
        "dead_letters": _letters_of(settings, user_id),
        "deliveries": _deliveries_of(settings, user_id),
    }
    return {name: _with_times(value) for name, value in exported.items()}


def _bot_of(store: Store, bot: StoredBot) -> dict[str, Any]:
    """A bot that the hub runs, how it stands, and the newest of what it did."""
    done: dict[str, Any] = {
        kind: store.bots.history(bot.number, kind, _MOST_DONE).to_dicts() for kind in HISTORY_SCHEMAS
    }
    stands = [asdict(standing) for _, standing in store.bots.standings([bot.number])]
    return {**asdict(bot), "stands": stands, **done}


def _with_times(value: Any) -> Any:
    """The same with times as texts, under names without their unit."""
    if isinstance(value, list):
        return [_with_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name.removesuffix("_ms"): iso_time(each) if name.endswith("_ms") and each is not None else _with_times(each)
        for name, each in value.items()
        if name != _PRIVATE
    } | {name: value[name] for name in {_PRIVATE} & value.keys()}


def delete_user(store: Store, settings: Settings, user_id: str, clock: Clock, *, force: bool = False) -> DeletedUser:
    """Remove what the hub has of a user, except :data:`STAYS`. Safe to repeat, also after a crash in between.

    Before, orders of the user's bots at exchanges are taken back. Unless ``force`` is set, raises :class:`HubError` if
    some may be left, and removes nothing but the keys; not even these if an exchange cannot be asked at all.
    """
    orders = UserOrders(store, settings, user_id, clock)
    if not force and (left := orders.why_not()):
        raise orders.refusal(left, "nothing was changed")
    now_ms = clock.now_ms()
    # First the keys: nobody can add anything to what is removed next.
    keys = store.accounts.forget_user(user_id)
    if (left := orders.take_back()) and not force:
        raise orders.refusal(left, "the keys are removed and these bots have ended, nothing else was changed")
    coins = orders.coins()
    ended = store.registry.forget_user(user_id, at_ms=now_ms, grace_ms=settings.grace_ms)
    webhooks = store.delivery.forget_user(user_id)
    bots = store.bots.forget_user(user_id)
    with _webhook_ledger(settings) as ledger:
        if ledger is not None:
            ConsumerState(ledger, CONSUMER, store.identity()).forget_user(user_id)
            Outbox(ledger).forget_user(user_id)
    try:
        with connect_log(settings) as log:
            consumers = order_to_forget(log, user_id)
    except EventLogError:
        consumers = None
    return DeletedUser(keys, webhooks, bots, ended, consumers, left, coins)


def _letters_of(settings: Settings, user_id: str) -> list[dict[str, str]] | None:
    """The user's dead letters; ``None`` if the event log cannot be reached."""
    try:
        with connect_log(settings) as log:
            return list(_letters(log, user_id))
    except EventLogError:
        return None


def _letters(log: RedisEventLog, user_id: str) -> Iterator[dict[str, str]]:
    for consumer in consumers_with_dead_letters(log):
        for _, letter in dead_letters(log, consumer, _MOST_LETTERS):
            if letter["user_id"] == user_id:
                yield {"consumer": consumer, **letter}


def _deliveries_of(settings: Settings, user_id: str) -> dict[str, list[dict[str, object]]] | None:
    """What the webhooks' ledger has; ``None`` while the running service has the ledger."""
    with _webhook_ledger(settings) as ledger:
        if ledger is None:
            return None
        with ledger.transaction() as transaction:
            names = {name for (name,) in transaction.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows: dict[str, list[dict[str, object]]] = {"made": [], "waiting": []}
            if "fired" in names:
                made = transaction.execute(
                    "SELECT bot_id, condition_id, deliveries, last_close_ms FROM fired WHERE user_id = ?", [user_id]
                )
                labels = [column[0] for column in made.description]
                rows["made"] = [dict(zip(labels, row, strict=True)) for row in made]
            if "webhook_outbox" in names:
                outbox = transaction.execute("SELECT webhook_id, delivery_id, attempts, state FROM webhook_outbox")
                labels = [column[0] for column in outbox.description]
                rows["waiting"] = [dict(zip(labels, row, strict=True)) for row in outbox if is_to_user(row[1], user_id)]
            return rows


@contextmanager
def _webhook_ledger(settings: Settings) -> Iterator[Ledger | None]:
    """The webhooks' ledger, ``None`` if there is none, or the running service has it."""
    path = settings.data_dir / "webhooks.ledger"
    if not path.exists():
        yield None
        return
    try:
        ledger = Ledger(path)
    except LedgerInUse:
        yield None
        return
    with ledger:
        yield ledger


def _without(record: dict[str, Any], *secret: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in secret}
