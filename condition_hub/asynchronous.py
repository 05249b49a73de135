"""The client for asyncio.

``condition_hub/blocking.py`` is written from this file by ``python -m tests.condition_hub.blocking_source``.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from condition_hub import bot_calls, calls, insight_calls, webhook_calls
from condition_hub.async_connection import AsyncConnection
from condition_hub.bot_calls import BotCommandWord, DoneByBot
from condition_hub.bot_results import BotPreview, HubBot
from condition_hub.conditions import ConditionLike
from condition_hub.explanation import Explanation, Preview, PreviewedTriggers
from condition_hub.moments import Moment
from condition_hub.progress import ProgressCallback, reporting
from condition_hub.results import (
    BacktestResult,
    Checked,
    HubWebhook,
    Notice,
    Policy,
    Registration,
    Status,
    Subscribed,
    Subscription,
    Trigger,
    WebhookPreset,
    WebhookPreview,
)
from condition_hub.trigger_feed import TriggerFeed
from condition_hub.webhook_calls import WebhookRequest


class AsyncHubClient(AsyncConnection):
    """A connection to the hub's HTTP API; leaving its ``async with`` block closes it.

        async with AsyncHubClient("http://127.0.0.1:8000", api_key) as client:
            condition_id = await client.register_condition("BTCUSDT 1h: rsi(14) crosses_below 30")
            await client.subscribe_bot("dca_bot_123", condition_id, "dca", {"baseOrderSize": 100})
            async for trigger in client.triggers(bot_id="dca_bot_123"):
                ...

    ``url`` and ``api_key`` default to ``HUB_API_URL`` and ``HUB_API_KEY``. One attempt may take ``timeout_s`` seconds,
    all attempts at an operation together ``patience_s``: a request that is refused only for the moment, or that gets no
    answer, is sent again. Methods raise :class:`condition_hub.errors.ApiError` or one of its subclasses.
    """

    async def register_condition(self, condition: ConditionLike) -> Registration:
        """Register a condition; equal conditions have the same id, however they are spelled.

        A symbol or timeframe that it does not name is taken from ``defaults``.
        """
        return await self._run(calls.register(condition))

    async def register_many(
        self, conditions: Iterable[ConditionLike], *, progress: ProgressCallback | bool = False
    ) -> list[Registration]:
        """Register any number of conditions, a thousand per request; the registrations are in the same order.

        ``progress`` is called with the number of conditions done and the total, or, if true, shows them on stderr. A
        refused condition does not stop the others; :class:`condition_hub.errors.ConditionsRefused` is raised after
        them.
        """
        results: list[Registration | calls.Refused] = []
        wanted = list(conditions)
        with reporting(progress) as report:
            for call in calls.register_bulks(wanted):
                results.extend(await self._run(call))
                report(len(results), len(wanted))
        return calls.all_registered(results)

    async def check_many(self, conditions: Iterable[ConditionLike]) -> list[Checked]:
        """What any number of conditions mean, and whether they are registered, in the same order. Registers nothing."""
        return [checked for call in calls.check_bulks(conditions) for checked in await self._run(call)]

    async def subscribe_bot(
        self,
        bot_id: str,
        condition_id: str,
        bot_type: str,
        bot_config: Mapping[str, object] | None = None,
        *,
        policy: Policy | None = None,
    ) -> Subscribed:
        """Have a condition's triggers delivered to a bot; call it again to change the policy or the configuration.

        Nobody but the bot's owner ever sees ``bot_config``.
        """
        return await self._run(calls.subscribe(bot_id, condition_id, bot_type, bot_config, policy))

    async def unsubscribe(self, bot_id: str, condition_id: str) -> bool:
        """End a subscription; false if there is none, or it has already ended."""
        return await self._run(calls.unsubscribe(bot_id, condition_id))

    async def pause(self, bot_id: str, condition_id: str) -> Subscription:
        """Deliver nothing to the bot until :meth:`resume`."""
        return await self._run(calls.pause(bot_id, condition_id))

    async def resume(self, bot_id: str, condition_id: str) -> Subscription:
        """Deliver triggers again, from now on."""
        return await self._run(calls.resume(bot_id, condition_id))

    async def rearm(self, bot_id: str, condition_id: str) -> Subscribed:
        """Say that the bot is ready for the next trigger; with the policy ``while_true`` that may be at once."""
        return await self._run(calls.rearm(bot_id, condition_id))

    async def status(self, condition_id: str) -> Status:
        """Whether a condition is judged, how far, and what it has fired."""
        return await self._run(calls.status(condition_id))

    def subscriptions(self, *, bot_id: str | None = None) -> AsyncIterator[Subscription]:
        """The user's subscriptions that have not ended, ordered by bot and condition."""
        return self._pages(lambda cursor: calls.subscriptions(bot_id, cursor))

    async def preview(
        self, condition: ConditionLike, *, start: Moment | None = None, end: Moment | None = None, last: int = 20
    ) -> Preview:
        """How often and when a condition would have fired on stored candles, by default those of the last year.

        ``start`` and ``end`` are dates, ``datetime``, ISO text or milliseconds, UTC unless they say otherwise; ``last``
        is how many triggers to list, up to 1000. Nothing is registered.
        """
        return await self._run(insight_calls.preview(condition, start, end, last))

    async def preview_many(
        self, conditions: Iterable[ConditionLike], *, start: Moment, end: Moment
    ) -> list[PreviewedTriggers]:
        """All triggers that any number of conditions would have had on stored candles, in the same order; of those that
        close after ``start`` and by ``end``, which are as for :meth:`preview`. Nothing is registered.

        The hub counts each condition as one request, and is waited for when it is not one's turn.
        """
        previews: list[PreviewedTriggers] = []
        for some in insight_calls.preview_bulks(conditions):
            pages = [await self._run(insight_calls.preview_bulk(some, start, end))]
            while pages[-1].until < pages[-1].end:
                pages.append(await self._run(insight_calls.preview_bulk(some, pages[-1].until, end)))
            previews += insight_calls.joined(pages)
        return previews

    async def backtest(
        self,
        condition: ConditionLike,
        *,
        exit: ConditionLike | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        side: str | None = None,
        horizon: int | None = None,
        stop_percent: float | None = None,
        target_percent: float | None = None,
        fee_percent: float | None = None,
        slippage_percent: float | None = None,
    ) -> BacktestResult:
        """What a condition would have done on stored candles, by default those of the last year, if its triggers had
        been traded. Nothing is registered.

        ``side`` is ``long`` or ``short``. A position is closed by what comes first: a trigger of ``exit``, a condition
        of the same series; ``horizon`` candles, by default 24 if nothing else closes it; a stop or a target, in percent
        of the entry. ``docs/backtesting.md`` of the hub says what is used for what is left out.
        """
        rules = {
            "side": side,
            "horizon": horizon,
            "stop_percent": stop_percent,
            "target_percent": target_percent,
            "fee_percent": fee_percent,
            "slippage_percent": slippage_percent,
        }
        return await self._run(insight_calls.backtest(condition, exit, start, end, rules))

    async def explain(self, condition_id: str, *, at: Moment | None = None) -> Explanation:
        """Why a condition fired, or did not, on the last candle closed by ``at``, by default the newest one.

        ``at`` is a date, a ``datetime``, ISO text or milliseconds, UTC unless it says otherwise.
        """
        return await self._run(insight_calls.explain(condition_id, at))

    def triggers_of(self, condition_id: str) -> AsyncIterator[Trigger]:
        """The recorded triggers of a condition, newest first."""
        return self._pages(lambda cursor: calls.triggers_of(condition_id, cursor))

    async def create_bot(
        self,
        bot_config: Mapping[str, object],
        *,
        bot_id: str | None = None,
        bot_type: str | None = None,
        policy: Policy | None = None,
    ) -> HubBot:
        """Have the hub run a bot, from one configuration: its conditions are registered and subscribed to, all or
        nothing. Name and kind may stand in the configuration, as ``bot_id`` and ``bot_type``."""
        return await self._run(bot_calls.create(bot_config, bot_id, bot_type, policy))

    async def preview_bot(
        self, bot_config: Mapping[str, object], *, bot_id: str | None = None, bot_type: str | None = None
    ) -> BotPreview:
        """What :meth:`create_bot` would do with the same arguments. Makes nothing."""
        return await self._run(bot_calls.preview(bot_config, bot_id, bot_type))

    def bots(self) -> AsyncIterator[HubBot]:
        """The user's bots that the hub runs, newest first; ended ones too."""
        return self._pages(bot_calls.bots)

    async def bot(self, bot_id: str) -> HubBot:
        """How a bot stands, market by market."""
        return await self._run(bot_calls.bot(bot_id))

    async def tell_bot(self, bot_id: str, word: BotCommandWord) -> HubBot:
        """``pause``: begin nothing new; ``resume``: go on; ``stop``: close after what is under way; ``kill``: close at
        market. The bot does so within a second or two."""
        return await self._run(bot_calls.command(bot_id, word))

    async def kill_bots(self, *, of_all_users: bool = False) -> int:
        """Kill all bots of the user; an operator may kill those of all users. Returns how many were told."""
        return await self._run(bot_calls.kill_bots(of_all_users=of_all_users))

    def done_by_bot(self, bot_id: str, kind: type[DoneByBot]) -> AsyncIterator[DoneByBot]:
        """What a bot did, newest first. ``kind`` is one of :mod:`condition_hub.bot_results`: ``BotOrder``,
        ``BotFill``, ``BotDeal``, ``BotAction`` (triggers that it acted on) or ``BotNote``."""
        return self._pages(lambda cursor: bot_calls.done_by(bot_id, kind, cursor))

    async def create_webhook(self, request: WebhookRequest) -> HubWebhook:
        """Have triggers posted to an address; a request with the name of one of the user's webhooks changes that one.

        ``secret`` of the answer signs the posts, and is shown only where the webhook was made.
        """
        return await self._run(webhook_calls.create(request))

    async def preview_webhook(self, request: WebhookRequest) -> WebhookPreview:
        """What the same request would make and post, with secrets as ``***``. Nothing is stored or posted."""
        return await self._run(webhook_calls.preview(request))

    def webhooks(self) -> AsyncIterator[HubWebhook]:
        """The user's webhooks that have not ended."""
        return self._pages(webhook_calls.webhooks)

    async def delete_webhook(self, webhook_id: str) -> bool:
        """End a webhook, and discard what waits for it; false if there is none."""
        return await self._run(webhook_calls.delete(webhook_id))

    async def webhook_presets(self) -> list[WebhookPreset]:
        """What webhooks can be made from."""
        return await self._run(webhook_calls.presets())

    def triggers(
        self,
        *,
        bot_id: str | None = None,
        after_seq: int | None = None,
        on_notice: Callable[[Notice], object] | None = None,
    ) -> AsyncIterator[Trigger]:
        """Stream the triggers of everything that the user's bots, or one of them, subscribed to. It never ends.

        Keep the ``seq`` of the last trigger you dealt with and pass it as ``after_seq``: whatever has fired since comes
        first. Without it the stream starts with the next trigger. A broken connection is resumed where it stopped, and
        within one call no trigger comes twice. ``on_notice`` is told of conditions that an upgrade of the hub gave
        another id; without it, the log is. Raises an error if the hub refuses the stream.
        """
        return self._stream(TriggerFeed(bot_id, after_seq, on_notice))
