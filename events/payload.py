"""A trigger as it is published. It speaks of the condition alone: never of a user, a bot or a configuration."""

from collections.abc import Iterator

import msgspec
import polars as pl

from registry.timeframes import to_ms


class Event(msgspec.Struct, frozen=True):
    """The JSON of one event; times are milliseconds since the epoch, UTC."""

    trigger_id: str
    seq: int
    condition_id: str
    exchange: str
    symbol: str
    timeframe: str
    open_time: int
    close_time: int
    values: dict[str, float | None]
    price: float
    settled: bool
    late: bool
    definition_version: str
    emitted_at: int


_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()


def channel(condition_id: str) -> str:
    """The publish/subscribe channel of a condition."""
    return f"condition.{condition_id}.triggered"


def encode(event: Event) -> bytes:
    """JSON in the order of the fields."""
    return _ENCODER.encode(event)


def decode(payload: bytes) -> Event:
    """The event of a payload; raises ``msgspec.ValidationError`` when it is not one."""
    return _DECODER.decode(payload)


def events_of(triggers: pl.DataFrame) -> Iterator[Event]:
    """Events for rows of the store's triggers, in their order."""
    for row in triggers.iter_rows(named=True):
        yield Event(
            trigger_id=row["trigger_id"],
            seq=row["seq"],
            condition_id=row["condition_id"],
            exchange=row["exchange"],
            symbol=row["symbol"],
            timeframe=row["timeframe"],
            open_time=to_ms(row["open_time"]),
            close_time=to_ms(row["close_time"]),
            values=msgspec.json.decode(row["values"]),
            price=row["price"],
            settled=row["settled"],
            late=row["late"],
            definition_version=row["definition_versions"],
            emitted_at=to_ms(row["emitted_at"]),
        )
