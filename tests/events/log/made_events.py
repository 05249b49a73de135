"""Events that no store has recorded, for tests of what carries them."""

from events.log.payload import Entry, Event, entry_of


def event(seq: int, condition_id: str = "c" * 32) -> Event:
    """An event with a value that is not known, and one that is."""
    return Event(
        trigger_id=f"{condition_id}:{seq}",
        seq=seq,
        condition_id=condition_id,
        exchange="BINANCE",
        symbol="BTCUSDT",
        timeframe="1h",
        open_time=seq - 1,
        close_time=seq,
        values={"rsi(14, close)": 29.5, "close": None},
        price=50_000.5,
        settled=True,
        late=False,
        definition_version="rsi=1",
        emitted_at=seq,
    )


def entries(*seqs: int) -> list[Entry]:
    """Entries of such events."""
    return [entry_of(event(seq)) for seq in seqs]
