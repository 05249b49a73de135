"""A trigger as it is published. It describes the condition only: never a user, a bot or a configuration."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    import polars as pl


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


class Entry(NamedTuple):
    """An event as the log holds it and passes it on: the fields that readers filter by, and its JSON."""

    seq: int
    condition_id: str
    payload: bytes

    @property
    def event(self) -> Event:
        """The decoded event; raises ``msgspec.ValidationError`` if the payload is not one."""
        return decode(self.payload)


class _Row(msgspec.Struct):
    """The fields of :class:`Event` as in a row of the store's triggers, where the values are already JSON."""

    trigger_id: str
    seq: int
    condition_id: str
    exchange: str
    symbol: str
    timeframe: str
    open_time: int
    close_time: int
    values: msgspec.Raw
    price: float
    settled: bool
    late: bool
    definition_version: str
    emitted_at: int


_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()
_COLUMNS = tuple("definition_versions" if name == "definition_version" else name for name in Event.__struct_fields__)
_TIMES = ("open_time", "close_time", "emitted_at")


def channel(condition_id: str) -> str:
    """The publish/subscribe channel of a condition."""
    return f"condition.{condition_id}.triggered"


def encode(event: Event) -> bytes:
    """JSON, with the fields in their order of definition."""
    return _ENCODER.encode(event)


def decode(payload: bytes) -> Event:
    """The event in a payload; raises ``msgspec.ValidationError`` if it is not one."""
    return _DECODER.decode(payload)


def entry_of(event: Event) -> Entry:
    """The entry of an event."""
    return Entry(event.seq, event.condition_id, encode(event))


def entries_of(triggers: "pl.DataFrame") -> list[Entry]:
    """Entries for rows of the store's triggers, in order; column by column, as one tick may fire 100,000 triggers."""
    columns: list[list[object]] = []
    for name in _COLUMNS:
        column = triggers[name]
        if name in _TIMES:
            columns.append(column.dt.epoch("ms").to_list())
        elif name == "values":
            columns.append([msgspec.Raw(text.encode()) for text in column.to_list()])
        else:
            columns.append(column.to_list())
    encode_row = _ENCODER.encode
    return [
        Entry(row.seq, row.condition_id, encode_row(row))
        for row in (_Row(*fields) for fields in zip(*columns, strict=True))
    ]
