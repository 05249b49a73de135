"""The two functions that bots can call without passing a client around."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from condition_hub.async_connection import current_connection
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.conditions import ConditionLike
from condition_hub.results import Policy, Registration, Subscribed


async def register_condition(condition: ConditionLike) -> Registration:
    """:meth:`AsyncHubClient.register_condition` of the enclosing ``async with AsyncHubClient()`` block.

    Outside such a block a connection to ``HUB_API_URL``, with ``HUB_API_KEY``, is opened for this call.
    """
    async with _client() as client:
        return await client.register_condition(condition)


async def subscribe_bot(
    bot_id: str,
    condition_id: str,
    bot_type: str,
    bot_config: Mapping[str, object] | None = None,
    *,
    policy: Policy | None = None,
) -> Subscribed:
    """:meth:`AsyncHubClient.subscribe_bot` of the enclosing ``async with AsyncHubClient()`` block.

    Outside such a block as for :func:`register_condition`.
    """
    async with _client() as client:
        return await client.subscribe_bot(bot_id, condition_id, bot_type, bot_config, policy=policy)


@asynccontextmanager
async def _client() -> AsyncIterator[AsyncHubClient]:
    enclosing = current_connection()
    if isinstance(enclosing, AsyncHubClient):
        yield enclosing
    else:
        async with AsyncHubClient() as opened:
            yield opened
