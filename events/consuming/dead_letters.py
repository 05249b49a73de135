"""Deliveries that were given up: one stream for each consumer, and what operators decide about them.

A decision is an order in a second stream, which the consumer carries out and removes. This way it also reaches a
consumer that is down at the moment.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import redis

from events.consuming.consumer_state import OCCASIONS, ConsumerState, Undelivered
from events.consuming.delivery import Delivery
from events.consuming.subscribers import Subscribers
from events.log.payload import decode, encode
from events.log.redis_log import STREAM, RedisEventLog, explain

_log = logging.getLogger(__name__)

Letter = dict[str, str]
"""The fields ``delivery_id user_id bot_id condition_id occasion event attempts reason`` of a dead letter."""

RETRY, DROP, FORGET = "retry", "drop", "forget"

_SHOWN_BYTES = 4_096
"""How much of an unreadable entry is kept."""


def dead_stream(consumer: str) -> str:
    """Key of the stream of a consumer's dead letters."""
    return f"{STREAM}:dead:{consumer}"


def order_stream(consumer: str) -> str:
    """Key of the stream of orders that are not carried out yet: a letter's fields and ``action``."""
    return f"{STREAM}:orders:{consumer}"


def letter_of(dead: Undelivered) -> Letter:
    """The dead letter for a delivery that was given up."""
    user_id, bot_id, condition_id = dead.key
    return {
        "delivery_id": dead.delivery_id,
        "user_id": user_id,
        "bot_id": bot_id,
        "condition_id": condition_id,
        "occasion": dead.occasion,
        "event": encode(dead.event).decode(),
        "attempts": str(dead.attempts),
        "reason": dead.reason,
    }


def unreadable_letter(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Letter:
    """The dead letter for an entry of the event log that is no event. It belongs to nobody: it can only be dropped."""
    number = entry_id.decode()
    content = b" ".join(name + b"=" + value for name, value in fields.items())
    return {
        "delivery_id": f"entry {number}",
        "user_id": "",
        "bot_id": "",
        "condition_id": "",
        "occasion": "unreadable",
        "event": content[:_SHOWN_BYTES].decode(errors="backslashreplace"),
        "attempts": "0",
        "reason": f"entry {number} of the event log is no event of this hub; what the store has under that number was "
        "delivered from there",
    }


def dead_letters(log: RedisEventLog, consumer: str, limit: int) -> list[tuple[str, Letter]]:
    """A consumer's dead letters, oldest first: id in the stream, and fields."""
    return _read(log, dead_stream(consumer), limit)


def consumers_with_dead_letters(log: RedisEventLog) -> dict[str, int]:
    """Consumer -> number of its dead letters."""
    prefix = dead_stream("")
    client: Any = log.client
    try:
        names = sorted(key.decode() for key in client.scan_iter(match=f"{prefix}*", count=1_000))
        counts = {name.removeprefix(prefix): int(client.xlen(name)) for name in names}
    except redis.RedisError as error:
        raise explain(error) from error
    return {name: count for name, count in counts.items() if count}


def order(log: RedisEventLog, consumer: str, letter_id: str, letter: Letter, action: str) -> None:
    """Order the consumer to ``retry`` or ``drop`` a dead letter, which leaves the list at the same moment."""
    client: Any = log.client
    try:
        pipeline = client.pipeline(transaction=True)
        pipeline.xadd(order_stream(consumer), {**letter, "action": action})
        pipeline.xdel(dead_stream(consumer), letter_id)
        pipeline.execute()
    except redis.RedisError as error:
        raise explain(error) from error


def order_to_forget(log: RedisEventLog, user_id: str) -> list[str]:
    """Order every consumer to forget a user, and drop the user's dead letters; returns the names of the consumers."""
    client: Any = log.client
    names = {group.name for group in log.groups()} | consumers_with_dead_letters(log).keys()
    try:
        for name in names:
            client.xadd(order_stream(name), {"action": FORGET, "user_id": user_id})
            for stream in (dead_stream(name), order_stream(name)):
                theirs = [
                    letter_id
                    for letter_id, letter in _read(log, stream, None)
                    if letter.get("user_id") == user_id and letter.get("action") != FORGET
                ]
                if theirs:
                    client.xdel(stream, *theirs)
    except redis.RedisError as error:
        raise explain(error) from error
    return sorted(names)


def obey(
    log: RedisEventLog,
    consumer: str,
    state: ConsumerState,
    subscribers: Subscribers,
    forget_user: Callable[[str], object] = lambda _: None,
) -> None:
    """Carry out the orders for a consumer, oldest first; each is removed only once it is in the consumer's ledger.

    ``forget_user`` forgets what the consumer's handler knows of a user.
    """
    client: Any = log.client
    for order_id, letter in _read(log, order_stream(consumer), 100):
        try:
            if letter["action"] == FORGET:
                state.forget_user(letter["user_id"])
                forget_user(letter["user_id"])
            else:
                _carry_out(letter, state, subscribers)
        except (KeyError, msgspec.MsgspecError) as error:
            _log.error(
                "consumer %s: order %s about a dead letter cannot be read (%s), it is dropped",
                consumer,
                order_id,
                type(error).__name__,
            )
        try:
            client.xdel(order_stream(consumer), order_id)
        except redis.RedisError as error:
            raise explain(error) from error


def _carry_out(letter: Letter, state: ConsumerState, subscribers: Subscribers) -> None:
    subscription = subscribers.get((letter["user_id"], letter["bot_id"], letter["condition_id"]))
    if letter["action"] == RETRY and subscription is not None:
        state.revive(Delivery(decode(letter["event"].encode()), subscription, OCCASIONS[letter["occasion"]]))
    else:
        state.drop(letter["delivery_id"])


def _read(log: RedisEventLog, stream: str, limit: int | None) -> list[tuple[str, Letter]]:
    client: Any = log.client
    try:
        entries = client.xrange(stream, count=limit)
    except redis.RedisError as error:
        raise explain(error) from error
    return [
        (entry_id.decode(), {name.decode(): value.decode() for name, value in fields.items()})
        for entry_id, fields in entries
    ]
