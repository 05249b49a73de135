"""Times as integers, milliseconds since 1970-01-01 UTC, and as people write them."""

from datetime import UTC, date, datetime

from condition_hub.errors import TimeFormatError


def read_time(text: str) -> int:
    """Milliseconds of a time as people write it: ``2024-08-05``, ``2024-08-05 01:15``, also with ``T`` or an offset.

    Without an offset it is UTC. Raises :class:`condition_hub.errors.TimeFormatError`.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise TimeFormatError(
            f"time {shown!r} cannot be read; write 2024-08-05 01:15 (UTC), or 2024-08-05T01:15+02:00"
        ) from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


Moment = str | date | datetime | int
"""What people write for a time: ``2024-08-05 01:15``, a date, a ``datetime``, or milliseconds. UTC without a zone."""


def read_moment(moment: Moment | None) -> int | None:
    """Milliseconds of what people write for a time; ``None`` stays.

    Raises :class:`condition_hub.errors.TimeFormatError`.
    """
    match moment:
        case str():
            return read_time(moment)
        case datetime():
            return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        case date():
            return to_ms(datetime(moment.year, moment.month, moment.day, tzinfo=UTC))
        case None | int() if not isinstance(moment, bool):
            return moment
    raise TimeFormatError(f"{moment!r} is no time; write '2024-08-05 01:15' (UTC), or pass a date or datetime")


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware ``datetime``."""
    return int(moment.timestamp() * 1000)


def from_ms(time_ms: int) -> datetime:
    """The aware UTC ``datetime`` of milliseconds since the epoch."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def iso_time(time_ms: int) -> str:
    """``2024-08-05T01:15:00Z``, with milliseconds if it has any: the one form in which machines read times."""
    return from_ms(time_ms).isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds")[:-6] + "Z"


def show_time(time_ms: int) -> str:
    """``2024-08-05 01:15`` in UTC, for people."""
    return from_ms(time_ms).strftime("%Y-%m-%d %H:%M")
