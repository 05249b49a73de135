"""The hub's answers about bots that it runs. Amounts are decimals as text, times milliseconds since the epoch, UTC."""

from typing import Literal

from condition_hub.results import HubAnswer


class BotConditionRole(HubAnswer, frozen=True, kw_only=True):
    """What a condition is to a bot in one of its markets."""

    instrument: str
    condition_id: str
    role: str


class BotMarket(HubAnswer, frozen=True, kw_only=True):
    """How a bot stands in one market."""

    instrument: str
    quote_currency: str | None
    status: str
    candle_at: int | None
    price: str
    base: str
    quote: str
    gain: str
    fees: str
    deals: int
    orders: int
    error: str | None
    timeframe: str | None
    """The smallest stored one, on whose closed candles it moves; ``None`` without candles."""
    data: Literal["ready", "missing"]


class BotGain(HubAnswer, frozen=True, kw_only=True):
    """What a bot has gained in its markets of one quote currency, after fees, coins at the last close."""

    quote_currency: str | None
    instruments: list[str]
    gain: str
    fees: str


class HubBot(HubAnswer, frozen=True, kw_only=True):
    """A bot that the hub runs. ``gains`` has one for each quote currency; they are not added up."""

    bot_id: str
    bot_type: str
    account: str
    life: Literal["active", "ended"]
    created_at: int
    gains: list[BotGain]
    markets: list[BotMarket]
    conditions: list[BotConditionRole]


class BotPreview(HubAnswer, frozen=True, kw_only=True):
    """What asking for a bot would do: ``nothing``, as it runs like that; ``refuse``, as one of that name runs with
    another configuration."""

    bot_id: str
    bot_type: str
    account: str
    instruments: list[str]
    conditions: list[str]
    would: Literal["create", "nothing", "refuse"]


class BotsTold(HubAnswer, frozen=True, kw_only=True):
    """How many bots were told what to do."""

    bots: int


class BotOrder(HubAnswer, frozen=True, kw_only=True):
    """An order that a bot has placed; ``price`` is ``None`` at market."""

    instrument: str
    placed_at: int
    client_id: str
    purpose: str
    side: str
    quantity: str
    price: str | None


class BotFill(HubAnswer, frozen=True, kw_only=True):
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


class BotDeal(HubAnswer, frozen=True, kw_only=True):
    """A deal that has ended; of a grid, an interval that has bought and sold."""

    instrument: str
    deal: int
    direction: str
    condition_id: str | None
    opened_at: int | None
    closed_at: int
    reason: str | None
    entry_quantity: str | None
    entry_quote: str | None
    exit_quantity: str | None
    exit_quote: str | None
    profit: str


class BotAction(HubAnswer, frozen=True, kw_only=True):
    """A trigger that a bot acted on; ``orders`` is how many it placed at once."""

    instrument: str
    condition_id: str
    closed_at: int
    role: str
    price: str
    orders: int


class BotNote(HubAnswer, frozen=True, kw_only=True):
    """What a bot tells its owner."""

    instrument: str
    noted_at: int
    text: str
