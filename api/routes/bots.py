"""A user's bots that the hub runs: made, told what to do, and what they did. Those of others are not there."""

from typing import Any

from fastapi import Response

from api.bodies.answers import Answer
from api.bodies.bot_answers import (
    BotActionPage,
    BotAnswer,
    BotConditionAnswer,
    BotDealPage,
    BotFillPage,
    BotGainAnswer,
    BotMarketAnswer,
    BotNotePage,
    BotOrderPage,
    BotPage,
    BotPreviewAnswer,
    ToldAnswer,
)
from api.bodies.requests import BotBody
from api.bot_creation import create, preview
from api.http.openapi import problems
from api.http.problems import not_found
from api.http.responding import page, respond
from api.http.routing import HubRequest, hub_router
from api.routes.parameters import BotPath, Cursor, Limit, SeqCursor
from bots.standing import QuoteOf, gain_in, gains, not_begun
from common.timeframes import DURATION_MS
from registry.instruments import Instrument
from registry.store.parts.bots import BotStanding, HistoryKind, StoredBot

router = hub_router("bots")
_READ = {"x-rate-class": "read"}
_WRITE = {"x-rate-class": "write"}


@router.post(
    "/bots",
    status_code=201,
    response_model=BotAnswer,
    responses={
        200: {"model": BotAnswer, "description": "There was one already, with the same configuration"},
        **problems(403, 409),
    },
    openapi_extra=_WRITE,
)
async def create_bot(body: BotBody, request: HubRequest) -> Response:
    """Have the hub run a bot: its conditions are extracted, registered and subscribed to, all or nothing.

    It trades on paper unless its configuration names an account. Repeating the request has no further effect.
    """
    bot, is_new = await create(body, request)
    return respond(_answer(request, bot), 201 if is_new else 200, {"Location": f"/bots/{bot.bot_id}"})


@router.post("/bot-preview", response_model=BotPreviewAnswer, responses=problems(403), openapi_extra=_WRITE)
async def preview_bot(body: BotBody, request: HubRequest) -> Response:
    """What `POST /bots` would do with the same body. Makes nothing."""
    return respond(await preview(body, request))


@router.get("/bots", response_model=BotPage, openapi_extra=_READ)
async def bots(request: HubRequest, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """The caller's bots, newest first; ended ones too."""
    mine = request.service.store.bots.bots_of(request.caller.user_id)
    items, following = page(mine, lambda bot: f"{(1 << 62) - bot.number:020}", cursor, limit)
    return respond(BotPage(items=[_answer(request, bot) for bot in items], next_cursor=following))


@router.post("/kill-switch", response_model=ToldAnswer, openapi_extra=_WRITE)
async def kill_bots(request: HubRequest) -> Response:
    """Kill all of the caller's bots: they take their orders back, trade back at market, and close."""
    return await _tell(request, "kill", request.caller.user_id, None)


@router.post(
    "/kill-switch/all",
    response_model=ToldAnswer,
    responses=problems(403),
    openapi_extra={**_WRITE, "x-operators-only": True},
)
async def kill_all_bots(request: HubRequest) -> Response:
    """Kill the bots of all users; for operators only."""
    return await _tell(request, "kill", None, None)


@router.get("/bots/{bot_id}", response_model=BotAnswer, responses=problems(404), openapi_extra=_READ)
async def bot(bot_id: BotPath, request: HubRequest) -> Response:
    """How one of the caller's bots stands, market by market."""
    return respond(_answer(request, _own(request, bot_id)))


@router.post("/bots/{bot_id}/pause", response_model=BotAnswer, responses=problems(404), openapi_extra=_WRITE)
async def pause_bot(bot_id: BotPath, request: HubRequest) -> Response:
    """Begin nothing new; what is under way goes on. The bot does so within a second or two."""
    return await _tell_one(request, bot_id, "pause")


@router.post("/bots/{bot_id}/resume", response_model=BotAnswer, responses=problems(404), openapi_extra=_WRITE)
async def resume_bot(bot_id: BotPath, request: HubRequest) -> Response:
    """Go on; after an error, try again."""
    return await _tell_one(request, bot_id, "resume")


@router.post("/bots/{bot_id}/stop", response_model=BotAnswer, responses=problems(404), openapi_extra=_WRITE)
async def stop_bot(bot_id: BotPath, request: HubRequest) -> Response:
    """Close after what is under way; a grid and quotes leave the book, and their coins stay."""
    return await _tell_one(request, bot_id, "stop")


@router.post("/bots/{bot_id}/kill", response_model=BotAnswer, responses=problems(404), openapi_extra=_WRITE)
async def kill_bot(bot_id: BotPath, request: HubRequest) -> Response:
    """Take all orders back, trade back at market, and close."""
    return await _tell_one(request, bot_id, "kill")


@router.get("/bots/{bot_id}/orders", response_model=BotOrderPage, responses=problems(404), openapi_extra=_READ)
async def bot_orders(bot_id: BotPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100) -> Response:
    """Orders that a bot has placed."""
    return await _history(request, bot_id, "orders", BotOrderPage, cursor, limit)


@router.get("/bots/{bot_id}/fills", response_model=BotFillPage, responses=problems(404), openapi_extra=_READ)
async def bot_fills(bot_id: BotPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100) -> Response:
    """What of its orders was executed."""
    return await _history(request, bot_id, "fills", BotFillPage, cursor, limit)


@router.get("/bots/{bot_id}/deals", response_model=BotDealPage, responses=problems(404), openapi_extra=_READ)
async def bot_deals(bot_id: BotPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100) -> Response:
    """Deals that have ended, with their profit."""
    return await _history(request, bot_id, "deals", BotDealPage, cursor, limit)


@router.get("/bots/{bot_id}/triggers", response_model=BotActionPage, responses=problems(404), openapi_extra=_READ)
async def bot_triggers(bot_id: BotPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100) -> Response:
    """Triggers that a bot acted on."""
    return await _history(request, bot_id, "actions", BotActionPage, cursor, limit)


@router.get("/bots/{bot_id}/notes", response_model=BotNotePage, responses=problems(404), openapi_extra=_READ)
async def bot_notes(bot_id: BotPath, request: HubRequest, cursor: SeqCursor = None, limit: Limit = 100) -> Response:
    """What a bot tells its owner: why it did not enter, which order was rejected, how a deal ended."""
    return await _history(request, bot_id, "notes", BotNotePage, cursor, limit)


def _own(request: HubRequest, bot_id: str) -> StoredBot:
    own = request.service.store.bots.bot(request.caller.user_id, bot_id)
    if own is None:
        raise not_found("bot; POST /bots makes one")
    return own


async def _tell_one(request: HubRequest, bot_id: str, command: str) -> Response:
    own = _own(request, bot_id)
    if own.life == "ended":
        raise not_found("bot that has not ended")
    service = request.service
    await service.in_store(
        service.store.bots.give_command,
        command,
        user_id=own.user_id,
        bot_id=own.bot_id,
        at_ms=service.clock.now_ms(),
    )
    return respond(_answer(request, own))


async def _tell(request: HubRequest, command: str, user_id: str | None, bot_id: str | None) -> Response:
    service = request.service
    told = await service.in_store(
        service.store.bots.give_command, command, user_id=user_id, bot_id=bot_id, at_ms=service.clock.now_ms()
    )
    return respond(ToldAnswer(bots=told))


async def _history(
    request: HubRequest, bot_id: str, kind: HistoryKind, answer: type[Any], cursor: str | None, limit: int
) -> Response:
    own, service = _own(request, bot_id), request.service
    before = None if cursor is None else int(cursor)
    rows = await service.in_store(service.store.bots.history, own.number, kind, limit, before)
    times = [name for name in rows.columns if name.endswith("_at")]
    items = rows.with_columns(rows[name].dt.epoch("ms") for name in times).drop("entry", "number").to_dicts()
    following = str(rows["entry"][-1]) if rows.height == limit else None
    shown: Answer = answer.model_validate({"items": items, "next_cursor": following})
    return respond(shown)


def _answer(request: HubRequest, bot: StoredBot) -> BotAnswer:
    store = request.service.store
    begun = {one.instrument: one for _, one in store.bots.standings([bot.number])}
    standings = [begun.get(name) or not_begun(name, is_active=bot.life == "active") for name in bot.instruments]
    smallest: dict[str, str] = {}
    for series in sorted(store.candles.names(), key=lambda one: DURATION_MS[one.timeframe]):
        smallest.setdefault(str(series.instrument), series.timeframe)
    quote_of = store.candles.directory().quote_currency
    return BotAnswer(
        bot_id=bot.bot_id,
        bot_type=bot.kind,
        account=bot.account,
        life=bot.life,
        created_at=bot.created_ms,
        gains=[
            BotGainAnswer(
                quote_currency=one.quote_currency,
                instruments=list(one.instruments),
                gain=f"{one.gain:f}",
                fees=f"{one.fees:f}",
            )
            for one in gains(standings, quote_of)
        ],
        markets=[_market(standing, quote_of, smallest.get(standing.instrument)) for standing in standings],
        conditions=[
            BotConditionAnswer(instrument=where, condition_id=condition_id, role=role)
            for where, condition_id, role in bot.conditions
        ],
    )


def _market(standing: BotStanding, quote_of: QuoteOf, timeframe: str | None) -> BotMarketAnswer:
    return BotMarketAnswer(
        instrument=standing.instrument,
        quote_currency=quote_of(Instrument.parse(standing.instrument)),
        status=standing.status,
        candle_at=standing.candle_ms or None,
        price=standing.price,
        base=standing.base,
        quote=standing.quote,
        gain=f"{gain_in(standing):f}",
        fees=standing.fees,
        deals=standing.deals,
        orders=standing.orders,
        error=standing.error,
        timeframe=timeframe,
        data="missing" if timeframe is None else "ready",
    )
