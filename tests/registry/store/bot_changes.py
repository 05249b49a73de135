"""Bots and what they did, for tests of the store."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from registry.store.parts.bots import HISTORY_SCHEMAS, STATE_SCHEMA, BotChanges, ConditionUse, NewBot
from registry.store.protocol import Store

BTC = "BINANCE:BTCUSDT"


def at(minute: int) -> datetime:
    return datetime(2024, 8, 5, minute // 60, minute % 60, tzinfo=UTC)


def new_bot(user: str = "ann", bot_id: str = "b1", *condition_ids: str, **config: Any) -> NewBot:
    conditions = tuple(ConditionUse(BTC, condition_id, "entry") for condition_id in condition_ids)
    return NewBot(user, bot_id, "dca", "paper", (BTC,), conditions, {"baseOrderSize": 100, **config})


def state(number: int, revision: int, minute: int = 1, **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": number, "instrument": BTC, "revision": revision, "status": "waiting", "candle_at": at(minute),
        "price": "100.10", "base": "0", "quote": "0", "fees": "0", "deals": 0, "orders": 0, "error": None,
        "command": 0, "state": '{"private": 1}', "account": None,
    }  # fmt: skip
    return row | changed


def changes(*states: dict[str, Any], **rows: list[dict[str, Any]]) -> BotChanges:
    frames = {kind: pl.DataFrame(rows.get(kind, []), schema=schema) for kind, schema in HISTORY_SCHEMAS.items()}
    return BotChanges(pl.DataFrame(list(states), schema=STATE_SCHEMA), **frames)


def order(number: int, client_id: str, minute: int = 1, price: str | None = "99.90") -> dict[str, Any]:
    return {
        "number": number, "instrument": BTC, "placed_at": at(minute), "client_id": client_id, "purpose": "base",
        "side": "buy", "quantity": "0.5", "price": price,
    }  # fmt: skip


def note(number: int, text: str, minute: int = 1) -> dict[str, Any]:
    return {"number": number, "instrument": BTC, "noted_at": at(minute), "text": text}


def texts(store: Store, number: int) -> list[str]:
    """The notes of a bot, newest first."""
    return store.bots.history(number, "notes", 100)["text"].to_list()
