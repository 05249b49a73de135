"""The tools that register and subscribe: only with ``hub mcp --write``. Repeating a call changes nothing."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from common.errors import ToolInputError
from condition_hub.asynchronous import AsyncHubClient
from condition_hub.results import Policy
from hub.agents.reading import plain_answer


class WritingTools:
    """Tools that write, over a client."""

    def __init__(self, client: AsyncHubClient) -> None:
        self._client = client

    @property
    def tools(self) -> Sequence[Callable[..., Awaitable[dict[str, Any]]]]:
        """All of them."""
        return (self.register_condition, self.subscribe_bot, self.unsubscribe_bot)

    async def register_condition(self, condition: str) -> dict[str, Any]:
        """Register a condition, so that it is judged on every closed candle. Equal conditions have one id."""
        registration = await self._client.register_condition(condition)
        return {**registration.answer, "created": registration.created, "warnings": list(registration.warnings)}

    async def subscribe_bot(
        self,
        bot_id: str,
        condition_id: str,
        bot_type: str = "custom",
        cooldown_s: int = 0,
        max_fires: int | None = None,
    ) -> dict[str, Any]:
        """Have a bot of yours get the triggers of a registered condition."""
        policy = Policy(cooldown_s=cooldown_s, max_fires=max_fires)
        return plain_answer(await self._client.subscribe_bot(bot_id, condition_id, bot_type, policy=policy))

    async def unsubscribe_bot(self, bot_id: str, condition_id: str) -> dict[str, Any]:
        """End a subscription of a bot of yours."""
        if not await self._client.unsubscribe(bot_id, condition_id):
            raise ToolInputError(
                f"{bot_id!r} has no subscription to {condition_id}; my_subscriptions lists what your bots subscribe to"
            )
        return {"bot_id": bot_id, "condition_id": condition_id, "state": "ended"}
