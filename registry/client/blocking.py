"""The client for code without asyncio: scripts and notebooks. It may be shared by threads."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

import httpx

from common.errors import NotFound
from common.timeframes import Moment
from registry.client import bot_calls, calls, webhook_calls
from registry.client.address import find_address
from registry.client.attempts import Attempts
from registry.client.bodies import as_json
from registry.client.bot_calls import BotCommandWord, DoneByBot
from registry.client.bot_results import BotPreview, HubBot
from registry.client.calls import Call, ConditionLike
from registry.client.connection import failed, for_a_stream, for_requests, request_of
from registry.client.progress import ProgressCallback, reporting
from registry.client.results import (
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
from registry.client.trigger_feed import TriggerFeed
from registry.client.webhook_calls import WebhookRequest
from registry.explanation import Explanation, Preview

T = TypeVar("T")


class HubClient:
    """A connection to the hub's HTTP API; a ``with`` block closes it. Its methods are those of
    :class:`registry.client.AsyncHubClient`.

        with HubClient("http://127.0.0.1:8000", api_key) as client:
            condition_id = client.register_condition("BTCUSDT 1h: rsi(14) crosses_below 30")
            client.subscribe_bot("dca_bot_123", condition_id, "dca", {"baseOrderSize": 100})
            for trigger in client.triggers(bot_id="dca_bot_123"):
                ...

    ``url`` and ``api_key`` default to ``HUB_API_URL`` and ``HUB_API_KEY``. One attempt may take ``timeout_s`` seconds,
    all attempts at an operation together ``patience_s``: a request that is refused only for the moment, or that gets no
    answer, is sent again. Methods raise :class:`common.errors.ApiError` or one of its subclasses.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        patience_s: float = 30.0,
    ) -> None:
        self.address = find_address(url, api_key)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._http = httpx.Client(**for_requests(self.address, timeout_s))

    def __enter__(self) -> "HubClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int | None] | None = None,
    ) -> httpx.Response:
        """Call any route of the API; the httpx response, whatever its status.

        Raises :class:`common.errors.ApiUnreachable` if there is no answer, :class:`common.errors.BodyNotJson` for a
        body that JSON cannot hold.
        """
        return self._answer(method, path, None if json is None else as_json(json), params)

    def get(self, path: str, *, params: Mapping[str, str | int | None] | None = None) -> httpx.Response:
        """``request("GET", ...)``."""
        return self.request("GET", path, params=params)

    def post(self, path: str, *, json: object = None) -> httpx.Response:
        """``request("POST", ...)``."""
        return self.request("POST", path, json=json)

    def register_condition(self, condition: ConditionLike) -> Registration:
        """Register a condition; equal conditions have the same id, however they are spelled.

        A symbol or timeframe that it does not name is taken from ``defaults``.
        """
        return self._run(calls.register(condition))

    def register_many(
        self, conditions: Iterable[ConditionLike], *, progress: ProgressCallback | bool = False
    ) -> list[Registration]:
        """Register any number of conditions, a thousand per request; the registrations are in the same order.

        ``progress`` is called with the number of conditions done and the total, or, if true, shows a bar on stderr. A
        refused condition does not stop the others: :class:`common.errors.ConditionsRefused` is raised at the end.
        """
        results: list[Registration | calls.Refused] = []
        wanted = list(conditions)
        with reporting(progress) as report:
            for call in calls.register_bulks(wanted):
                results.extend(self._run(call))
                report(len(results), len(wanted))
        return calls.all_registered(results)

    def check_many(self, conditions: Iterable[ConditionLike]) -> list[Checked]:
        """What any number of conditions mean, and whether they are registered, in the same order. Registers nothing."""
        return [checked for call in calls.check_bulks(conditions) for checked in self._run(call)]

    def subscribe_bot(
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
        return self._run(calls.subscribe(bot_id, condition_id, bot_type, bot_config, policy))

    def unsubscribe(self, bot_id: str, condition_id: str) -> bool:
        """End a subscription; false if there is none, or it has already ended."""
        try:
            self._run(calls.unsubscribe(bot_id, condition_id))
        except NotFound:
            return False
        return True

    def pause(self, bot_id: str, condition_id: str) -> Subscription:
        """Deliver nothing to the bot until :meth:`resume`."""
        return self._run(calls.pause(bot_id, condition_id))

    def resume(self, bot_id: str, condition_id: str) -> Subscription:
        """Deliver triggers again, from now on."""
        return self._run(calls.resume(bot_id, condition_id))

    def rearm(self, bot_id: str, condition_id: str) -> Subscribed:
        """Say that the bot is ready for the next trigger; with the policy ``while_true`` that may be at once."""
        return self._run(calls.rearm(bot_id, condition_id))

    def status(self, condition_id: str) -> Status:
        """Whether a condition is judged, how far, and what it has fired."""
        return self._run(calls.status(condition_id))

    def subscriptions(self, *, bot_id: str | None = None) -> Iterator[Subscription]:
        """The user's subscriptions that have not ended, ordered by bot and condition."""
        cursor: str | None = None
        while True:
            page = self._run(calls.subscriptions(bot_id, cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def preview(
        self, condition: ConditionLike, *, start: Moment | None = None, end: Moment | None = None, last: int = 20
    ) -> Preview:
        """How often and when a condition would have fired on stored candles, by default those of the last year.

        ``start`` and ``end`` are dates, ``datetime``, ISO text or milliseconds, UTC unless they say otherwise; ``last``
        is how many triggers to list, up to 1000. Nothing is registered.
        """
        return self._run(calls.preview(condition, start, end, last))

    def backtest(
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
        """What a condition would have done on stored candles if its triggers had been traded, by default those of the
        last year; the arguments are those of :func:`analysis.backtest`. Nothing is registered."""
        rules = {
            "side": side,
            "horizon": horizon,
            "stop_percent": stop_percent,
            "target_percent": target_percent,
            "fee_percent": fee_percent,
            "slippage_percent": slippage_percent,
        }
        return self._run(calls.backtest(condition, exit, start, end, rules))

    def explain(self, condition_id: str, *, at: Moment | None = None) -> Explanation:
        """Why a condition fired, or did not, on the last candle closed by ``at``, by default the newest one.

        ``at`` is a date, a ``datetime``, ISO text or milliseconds, UTC unless it says otherwise.
        """
        return self._run(calls.explain(condition_id, at))

    def triggers_of(self, condition_id: str) -> Iterator[Trigger]:
        """The recorded triggers of a condition, newest first."""
        cursor: str | None = None
        while True:
            page = self._run(calls.triggers_of(condition_id, cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def create_bot(
        self,
        bot_config: Mapping[str, object],
        *,
        bot_id: str | None = None,
        bot_type: str | None = None,
        policy: Policy | None = None,
    ) -> HubBot:
        """Have the hub run a bot, from one configuration: its conditions are registered and subscribed to, all or
        nothing. Name and kind may stand in the configuration, as ``bot_id`` and ``bot_type``."""
        return self._run(bot_calls.create(bot_config, bot_id, bot_type, policy))

    def preview_bot(
        self, bot_config: Mapping[str, object], *, bot_id: str | None = None, bot_type: str | None = None
    ) -> BotPreview:
        """What :meth:`create_bot` would do with the same arguments. Makes nothing."""
        return self._run(bot_calls.preview(bot_config, bot_id, bot_type))

    def bots(self) -> Iterator[HubBot]:
        """The user's bots that the hub runs, newest first; ended ones too."""
        cursor: str | None = None
        while True:
            page = self._run(bot_calls.bots(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def bot(self, bot_id: str) -> HubBot:
        """How a bot stands, market by market."""
        return self._run(bot_calls.bot(bot_id))

    def tell_bot(self, bot_id: str, word: BotCommandWord) -> HubBot:
        """``pause``: begin nothing new; ``resume``: go on; ``stop``: close after what is under way; ``kill``: close at
        market. The bot does so within a second or two."""
        return self._run(bot_calls.command(bot_id, word))

    def kill_bots(self, *, of_all_users: bool = False) -> int:
        """Kill all bots of the user; an operator may kill those of all users. Returns how many were told."""
        told = self._run(bot_calls.kill_bots(of_all_users=of_all_users))
        return told.bots

    def done_by_bot(self, bot_id: str, kind: type[DoneByBot]) -> Iterator[DoneByBot]:
        """What a bot did, newest first. ``kind`` is one of :mod:`registry.client.bot_results`: ``BotOrder``,
        ``BotFill``, ``BotDeal``, ``BotAction`` (triggers that it acted on) or ``BotNote``."""
        cursor: str | None = None
        while True:
            page = self._run(bot_calls.done_by(bot_id, kind, cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def create_webhook(self, request: WebhookRequest) -> HubWebhook:
        """Have triggers posted to an address; a request with the name of one of the user's webhooks changes that one.

        ``secret`` of the answer signs the posts, and is shown only where the webhook was made.
        """
        return self._run(webhook_calls.create(request))

    def preview_webhook(self, request: WebhookRequest) -> WebhookPreview:
        """What the same request would make and post, with secrets as ``***``. Nothing is stored or posted."""
        return self._run(webhook_calls.preview(request))

    def webhooks(self) -> Iterator[HubWebhook]:
        """The user's webhooks that have not ended."""
        cursor: str | None = None
        while True:
            page = self._run(webhook_calls.webhooks(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def delete_webhook(self, webhook_id: str) -> bool:
        """End a webhook, and discard what waits for it; false if there is none."""
        try:
            self._run(webhook_calls.delete(webhook_id))
        except NotFound:
            return False
        return True

    def webhook_presets(self) -> list[WebhookPreset]:
        """What webhooks can be made from."""
        return self._run(webhook_calls.presets())

    def triggers(
        self,
        *,
        bot_id: str | None = None,
        after_seq: int | None = None,
        on_notice: Callable[[Notice], object] | None = None,
    ) -> Iterator[Trigger]:
        """Stream the triggers of everything that the user's bots, or one of them, subscribed to. It never ends.

        Keep the ``seq`` of the last trigger you dealt with and pass it as ``after_seq``: whatever has fired since comes
        first. Without it the stream starts with the next trigger. A broken connection is resumed where it stopped, and
        within one call no trigger comes twice. ``on_notice`` is told of conditions that an upgrade of the hub gave
        another id; without it, the log is. Raises an error if the hub refuses the stream.
        """
        feed = TriggerFeed(bot_id, after_seq, on_notice)
        while True:
            ended: httpx.Response | httpx.TransportError | None = None
            try:
                with (
                    httpx.Client(**for_a_stream(self.address, self._timeout_s)) as http,
                    http.stream("GET", "/events", params=feed.query, headers=feed.headers) as response,
                ):
                    if not response.is_success:
                        response.read()
                        ended = response
                    else:
                        for received in response.iter_bytes():
                            yield from feed.feed(received)
            except httpx.TransportError as error:
                ended = error
            time.sleep(feed.wait_after(ended))

    def _run(self, call: Call[T]) -> T:
        return call.result(self._answer(call.method, call.path, call.body, call.query))

    def _answer(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, str | int | None] | None
    ) -> httpx.Response:
        attempts = Attempts(self._patience_s)
        while True:
            ended: httpx.Response | httpx.TransportError
            try:
                ended = self._http.send(request_of(self._http, method, path, body, query))
            except httpx.TransportError as error:
                ended = error
            wait = attempts.wait_after(ended)
            if wait is not None:
                time.sleep(wait)
            elif isinstance(ended, httpx.Response):
                return ended
            else:
                raise failed(self.address, ended) from ended
