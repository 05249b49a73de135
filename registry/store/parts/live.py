"""What is asked of exchanges through the hub at the moment, and where those series stand: in the owner's memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.groups import Series


@dataclass(frozen=True)
class SeriesDemand:
    """A series that somebody reads through the hub although no condition and no bot of the hub may need it."""

    series: Series
    since_ms: int
    """Open time from which its candles are wanted."""


@dataclass(frozen=True)
class Demands:
    """Everything that is asked for."""

    exchanges: tuple[str, ...] = ()
    """Those whose list of markets is asked for."""
    series: tuple[SeriesDemand, ...] = ()


@dataclass(frozen=True)
class SeriesState:
    """Where a demanded series stands, as ingest knows it."""

    series: Series
    from_ms: int
    """Open time from which on everything is stored that its exchange has."""
    until_ms: int
    """Close time up to which everything is stored that its exchange has."""
    forming: tuple[float, ...] = ()
    """The candle that forms as its exchange has pushed it last: open time, open, high, low, close, volume. Empty where
    none was pushed."""
    problem: str | None = None
    """Why it cannot be fetched."""


class LiveStore(Protocol):
    """Demands and states. A demand ends a day after it was made last; all end with the owner, and are made again."""

    def demand(self, demands: Demands) -> None:
        """Have ingest follow series, and know what exchanges list. Raises :class:`common.errors.DemandRefused` for a
        new series when there are too many."""
        ...

    def demands(self) -> Demands:
        """What is asked for: each series once, from the earliest time."""
        ...

    def version(self) -> int:
        """Grows with every demand that asks for more than before."""
        ...

    def report(self, states: Sequence[SeriesState]) -> None:
        """Note where series stand; an empty report says that ingest is there."""
        ...

    def state(self, series: Series) -> SeriesState | None:
        """Where a series stands; ``None`` if ingest has not said so, or says nothing any more."""
        ...

    def states(self) -> list[SeriesState]:
        """All states."""
        ...

    def is_followed(self) -> bool:
        """Whether ingest has reported in the last seconds."""
        ...
