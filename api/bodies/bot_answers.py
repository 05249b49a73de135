"""Answers about bots that the hub runs. Amounts are decimals as text, so that nothing is rounded."""

from typing import Annotated, Literal

from pydantic import Field

from api.bodies.answers import Answer

_GAIN = "In quote, after fees; coins at the last close"
_QUOTE_CURRENCY = "What amounts in quote are in; null where neither the listing nor the name of a market says it"


class BotConditionAnswer(Answer):
    """What a condition is to a bot in one of its markets."""

    instrument: str
    condition_id: str
    role: Annotated[str, Field(description="entry, exit, safety or opposite")]


class BotMarketAnswer(Answer):
    """How a bot stands in one market."""

    instrument: str
    quote_currency: Annotated[str | None, Field(description=_QUOTE_CURRENCY)]
    status: Annotated[
        str,
        Field(description="waiting, entering, active, trailing, closing, cooldown, paused, closed or error"),
    ]
    candle_at: Annotated[int | None, Field(description="Close of the last candle on record that it has seen")]
    price: Annotated[str, Field(description="Close of that candle")]
    base: Annotated[str, Field(description="Coins gained by its trades so far")]
    quote: Annotated[str, Field(description="Money gained by its trades so far, after fees")]
    gain: Annotated[str, Field(description=_GAIN)]
    fees: Annotated[str, Field(description="In quote")]
    deals: Annotated[int, Field(description="Ended ones; of a grid, intervals that have bought and sold")]
    orders: Annotated[int, Field(description="At the broker")]
    error: Annotated[str | None, Field(description="Why it does nothing until it is resumed or killed")]
    timeframe: Annotated[
        str | None, Field(description="The smallest stored one, on whose closed candles it moves; null without candles")
    ]
    data: Annotated[Literal["ready", "missing"], Field(description="missing: no candles, so it cannot act")]


class BotGainAnswer(Answer):
    """What a bot has gained in its markets of one quote currency."""

    quote_currency: Annotated[str | None, Field(description=f"{_QUOTE_CURRENCY}: it has a gain of its own")]
    instruments: list[str]
    gain: Annotated[str, Field(description=_GAIN)]
    fees: Annotated[str, Field(description="In quote")]


class BotAnswer(Answer):
    """One of the caller's bots. Its configuration is never shown."""

    bot_id: str
    bot_type: str
    account: str
    life: Annotated[Literal["active", "ended"], Field(description="ended: it has closed in all of its markets")]
    created_at: int
    gains: Annotated[
        list[BotGainAnswer], Field(description="One for each quote currency of its markets; they are not added up")
    ]
    markets: list[BotMarketAnswer]
    conditions: list[BotConditionAnswer]


class BotPreviewAnswer(Answer):
    """What a request for a bot would do."""

    bot_id: str
    bot_type: str
    account: str
    instruments: list[str]
    conditions: list[str]
    would: Annotated[
        Literal["create", "nothing", "refuse"],
        Field(description="nothing: it runs as asked; refuse: one of that name runs with another configuration"),
    ]


class BotPage(Answer):
    """Some of the caller's bots."""

    items: list[BotAnswer]
    next_cursor: str | None


class ToldAnswer(Answer):
    """How many bots were told what to do."""

    bots: int


class BotOrderAnswer(Answer):
    """An order that a bot has placed."""

    instrument: str
    placed_at: Annotated[int, Field(description="Close of the candle that it acted on, or when it acted")]
    client_id: str
    purpose: str
    side: str
    quantity: str
    price: Annotated[str | None, Field(description="null: at market")]


class BotFillAnswer(Answer):
    """A part of an order, or all of it, that was executed."""

    instrument: str
    filled_at: int
    fill_id: str
    client_id: str
    purpose: str
    side: str
    price: str
    quantity: str
    fee_quote: str
    fee_base: str


class BotDealAnswer(Answer):
    """A deal that has ended; of a grid, an interval that has bought and sold."""

    instrument: str
    deal: int
    direction: str
    condition_id: Annotated[str | None, Field(description="What it was entered for")]
    opened_at: int | None
    closed_at: int
    reason: str | None
    entry_quantity: str | None
    entry_quote: str | None
    exit_quantity: str | None
    exit_quote: str | None
    profit: Annotated[str, Field(description="In quote, after fees")]


class BotActionAnswer(Answer):
    """A trigger that a bot acted on."""

    instrument: str
    condition_id: str
    closed_at: Annotated[int, Field(description="Close of the trigger's candle")]
    role: str
    price: str
    orders: Annotated[int, Field(description="How many it placed at once")]


class BotNoteAnswer(Answer):
    """What a bot tells its owner."""

    instrument: str
    noted_at: int
    text: str


class BotOrderPage(Answer):
    """Orders, newest first."""

    items: list[BotOrderAnswer]
    next_cursor: str | None


class BotFillPage(Answer):
    """Fills, newest first."""

    items: list[BotFillAnswer]
    next_cursor: str | None


class BotDealPage(Answer):
    """Deals, newest first."""

    items: list[BotDealAnswer]
    next_cursor: str | None


class BotActionPage(Answer):
    """Triggers that were acted on, newest first."""

    items: list[BotActionAnswer]
    next_cursor: str | None


class BotNotePage(Answer):
    """Notes, newest first."""

    items: list[BotNoteAnswer]
    next_cursor: str | None
