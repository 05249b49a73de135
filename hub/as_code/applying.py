"""Makes the hub as a plan says. Each step can be repeated: what a failure leaves undone, the next run does."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from api.bodies.requests import MOST_SUBSCRIPTIONS
from common.errors import NotFound
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.problems import refusal
from condition_hub.progress import ProgressCallback
from hub.as_code.plan import PlannedChange


async def apply(
    changes: Sequence[PlannedChange], client: AsyncHubClient, report: ProgressCallback = lambda *_: None
) -> None:
    """Make changes, removals last; ``report`` is told how many are done, and of how many.

    Raises :class:`condition_hub.errors.ApiError` for the first that the hub refuses; what was made before it stays.
    """
    done = 0

    def count(number: int = 1) -> None:
        nonlocal done
        done += number
        report(done, len(changes))

    conditions = [change for change in changes if change.thing == "condition"]
    await client.register_many(str(change.call["condition"]) for change in conditions)
    count(len(conditions))
    subscriptions = [change for change in changes if change.thing == "subscription" and change.verb != "remove"]
    for begin in range(0, len(subscriptions), MOST_SUBSCRIPTIONS):
        some = subscriptions[begin : begin + MOST_SUBSCRIPTIONS]
        await _subscribe([change.call for change in some], client)
        count(len(some))
    for verbs, thing in (
        (("add",), "bot"),
        (("add", "change"), "webhook"),
        (("remove",), "webhook"),
        (("remove",), "subscription"),
        (("remove",), "bot"),
    ):
        await _each((one for one in changes if one.thing == thing and one.verb in verbs), client, count)


async def _subscribe(wanted: Sequence[Mapping[str, Any]], client: AsyncHubClient) -> None:
    # Without a configuration: that of the subscription which is there stays.
    bodies = [
        {**{name: call[name] for name in ("bot_id", "condition_id", "bot_type", "policy")}, "bot_config": None}
        for call in wanted
    ]
    response = await client.post("/conditions/subscribe/bulk", json={"subscriptions": bodies})
    if not response.is_success:
        raise refusal(response)
    for call in wanted:
        if call["paused"]:
            await client.pause(call["bot_id"], call["condition_id"])


async def _each(changes: Iterable[PlannedChange], client: AsyncHubClient, count: Callable[[], None]) -> None:
    async def one(change: PlannedChange) -> None:
        await _make(change, client)
        count()

    try:
        async with asyncio.TaskGroup() as group:
            for change in changes:
                group.create_task(one(change))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _make(change: PlannedChange, client: AsyncHubClient) -> None:
    call = change.call
    match change.thing, change.verb:
        case "subscription", "remove":
            await client.unsubscribe(call["bot_id"], call["condition_id"])
        case "webhook", "remove":
            await client.delete_webhook(call["webhook_id"])
        case "webhook", _:
            await client.create_webhook(call["request"])
        case "bot", "remove":
            try:
                await client.tell_bot(call["bot_id"], "stop")
            except NotFound:
                return
        case "bot", _:
            await client.create_bot(call["bot_config"], bot_id=call["bot_id"], bot_type=call["bot_type"])
