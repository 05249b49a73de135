"""A user's own bots that the hub runs, and what each of them did; never those of others, and no configuration."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from bots.standing import Gain, QuoteOf, gain_in, gains, not_begun
from dashboard.data.reading import SECONDS_KEPT, opened
from registry.instruments import Instrument
from registry.keys import matches, read_key_text
from registry.store.parts.accounts import ApiKey
from registry.store.parts.bots import BotStanding, HistoryKind, StoredBot
from registry.store.protocol import Store

ROWS = 200
"""How many of a bot's newest rows of a kind are read."""
_AMOUNTS = ("price", "quantity", "entry_quantity", "entry_quote", "exit_quantity", "exit_quote", "profit")
_FEES = ("fee_quote", "fee_base")
_MARKETS: dict[str, pl.DataType | type[pl.DataType]] = {
    "instrument": pl.String,
    "status": pl.String,
    "quote_currency": pl.String,
    "gain": pl.Float64,
    "fees": pl.Float64,
    "deals": pl.Int64,
    "orders": pl.Int64,
    "candle_at": pl.Datetime("ms", "UTC"),
    "error": pl.String,
}


@dataclass(frozen=True)
class ShownBot:
    """One of a user's bots."""

    bot_id: str
    number: int
    kind: str
    account: str
    is_active: bool
    created_ms: int
    gains: list[Gain]
    """One for each quote currency."""
    markets: pl.DataFrame
    """A row for each market: ``instrument status quote_currency gain fees deals orders candle_at error``. ``deals``
    have ended, ``orders`` are at the broker, ``candle_at`` is the close of the last candle that it has seen."""

    @property
    def deals(self) -> int:
        """Deals that have ended."""
        return int(self.markets["deals"].sum())

    @property
    def orders(self) -> int:
        """Orders at the broker."""
        return int(self.markets["orders"].sum())


def key_with_text(store_url: str, text: str) -> ApiKey | None:
    """The key that somebody typed; ``None`` if it is wrong or revoked. Not cached, as a cache keeps its arguments."""
    parts = read_key_text(text.strip())
    if parts is None:
        return None
    with opened(store_url) as store:
        key = store.accounts.key(parts[0])
    return key if key is not None and matches(key, parts[1]) else None


@st.cache_data(ttl=SECONDS_KEPT, max_entries=256, show_spinner=False)
def key_of(store_url: str, key_id: str) -> ApiKey | None:
    """The key of an id; ``None`` if there is none or it is revoked."""
    with opened(store_url) as store:
        key = store.accounts.key(key_id)
    return key if key is not None and key.revoked_ms is None else None


@st.cache_data(ttl=SECONDS_KEPT, max_entries=64, show_spinner="Reading your bots …")
def own_bots(store_url: str, user_id: str) -> list[ShownBot]:
    """A user's bots, newest first; ended ones too."""
    with opened(store_url) as store:
        bots = store.bots.bots_of(user_id)
        standings: dict[int, list[BotStanding]] = {}
        for number, standing in store.bots.standings([bot.number for bot in bots]):
            standings.setdefault(number, []).append(standing)
        quote_of = store.candles.directory().quote_currency
        return [_shown_bot(bot, standings.get(bot.number, []), quote_of) for bot in bots]


@st.cache_data(ttl=SECONDS_KEPT, max_entries=64, show_spinner=False)
def what_it_did(store_url: str, user_id: str, number: int, kind: HistoryKind) -> pl.DataFrame:
    """The newest rows of what one of a user's bots did: the columns of
    :data:`registry.store.parts.bots.HISTORY_SCHEMAS` but ``number``, newest first, amounts as numbers, and
    ``condition``, the text, in the place of ``condition_id``. Empty for a bot that is not the user's."""
    with opened(store_url) as store:
        is_own = any(bot.number == number for bot in store.bots.bots_of(user_id))
        rows = store.bots.history(number, kind, ROWS if is_own else 0)
        amounts = [name for name in (*_AMOUNTS, *_FEES) if name in rows.columns]
        shown = rows.drop("entry", "number").with_columns(pl.col(amounts).cast(pl.Float64))
        if "condition_id" not in rows.columns:
            return shown
        texts = _texts(store, set(rows["condition_id"].drop_nulls()))
        return shown.with_columns(
            pl.col("condition_id").replace_strict(texts, return_dtype=pl.String, default=None)
        ).rename({"condition_id": "condition"})


def _shown_bot(bot: StoredBot, begun: list[BotStanding], quote_of: QuoteOf) -> ShownBot:
    by_market = {standing.instrument: standing for standing in begun}
    standings = [by_market.get(name) or not_begun(name, is_active=bot.life == "active") for name in bot.instruments]
    rows = [
        {
            "instrument": market.instrument,
            "status": market.status,
            "quote_currency": quote_of(Instrument.parse(market.instrument)),
            "gain": float(gain_in(market)),
            "fees": float(market.fees),
            "deals": market.deals,
            "orders": market.orders,
            "candle_at": market.candle_ms or None,
            "error": market.error,
        }
        for market in standings
    ]
    return ShownBot(
        bot_id=bot.bot_id,
        number=bot.number,
        kind=bot.kind,
        account=bot.account,
        is_active=bot.life == "active",
        created_ms=bot.created_ms,
        gains=gains(standings, quote_of),
        markets=pl.DataFrame(rows, schema=_MARKETS),
    )


def _texts(store: Store, condition_ids: set[str]) -> dict[str, str]:
    """Condition -> its text, or its id if it is gone."""
    stored = {condition_id: store.registry.condition(condition_id) for condition_id in condition_ids}
    return {condition_id: condition_id if each is None else each.text for condition_id, each in stored.items()}
