"""One series that is kept up to date: how far its candles are there, and how far its exchange has confirmed them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from candles.wanted import SeriesNeed
from common.grids import Grid
from common.slots import Slots, slots_of
from registry.groups import Series

_MOST_HOLES = 2_000
_LONGEST_AWAITED_S = 600.0
"""How long at most what lacks before a newer candle is on its way: an exchange that never answers holds nobody up for
good."""


@dataclass
class Followed:
    """Where a series stands; slots are counted on its grid."""

    series: Series
    grid: Grid
    wanted: SeriesNeed
    reached: int
    """The slot up to which every candle is stored or known not to exist."""
    confirmed: int | None = None
    """The slot up to which its exchange has been asked by REST; ``None`` before the first time."""
    confirmed_s: float = 0.0
    """When that was, by the event loop's clock."""
    holes: set[int] = field(default_factory=set)
    """Open times of candles that its exchange does not have, although it has later ones; the newest."""
    given_up: dict[str, int] = field(default_factory=dict)
    """Timeframe -> the close time at which its tick waited for a candle of this series in vain, and no longer does."""
    problem: str | None = None
    """Why it cannot be fetched."""
    asking: "asyncio.Task[None] | None" = None
    pushed: int | None = None
    """The newest slot whose candle a websocket has brought and that is stored; those before it may be lacking."""
    ahead: tuple[int, float] | None = None
    """The newest slot whose candle a websocket has brought while others before it lack, and since when some do, by the
    event loop's clock."""
    newest_pushed: Sequence[float] = ()
    """The newest final candle from a websocket, to tell repetitions."""

    @classmethod
    def of(cls, series: Series, grid: Grid, wanted: SeriesNeed) -> "Followed":
        """A series as the store has it."""
        number = slots_of(series.timeframe, grid).number(wanted.since_ms)
        return cls(series, grid, wanted, reached=number - 1 if wanted.is_new else number)

    @property
    def slots(self) -> Slots:
        return slots_of(self.series.timeframe, self.grid)

    @property
    def is_overdue(self) -> bool:
        """Whether its newest candle did not come when it should have, so that nobody waits for the next."""
        return bool(self.given_up)

    @property
    def since_ms(self) -> int:
        """Where a request begins: with the newest candle that REST has confirmed, so that what a websocket brought
        since, and a correction of that candle, are checked, too."""
        return self.wanted.since_ms if self.confirmed is None else self.slots.open(self.confirmed)

    def lacks(self, close_ms: int) -> bool:
        """Whether a candle that has closed by a time is lacking."""
        return self.reached < self.slots.last_closed(close_ms)

    def awaits_nothing(self, close_ms: int) -> bool:
        """Whether the newest candle that has closed by a time is there, and REST cannot give what lacks before it: it
        may be judged as missing once its time is over."""
        return self.problem is not None and self.pushed is not None and self.pushed >= self.slots.last_closed(close_ms)

    def take_came_late(self) -> dict[str, int]:
        """Timeframe -> the close time of candles that its tick had given up, and that have come since; told once."""
        came = {timeframe: close_ms for timeframe, close_ms in self.given_up.items() if not self.lacks(close_ms)}
        for timeframe in came:
            del self.given_up[timeframe]
        return came

    def note_page(self, opens: Sequence[int], now_s: float) -> None:
        """Note candles that REST has given and that are stored, oldest first: what is not among them does not exist."""
        slots, before = self.slots, self.confirmed
        if before is None and not self.wanted.is_new:
            before = slots.number(self.wanted.since_ms)
        for open_ms in opens:
            number = slots.number(open_ms)
            if before is not None:
                self.holes.update(slots.open(missing) for missing in range(before + 1, number))
            before = number
        if len(self.holes) > _MOST_HOLES:
            self.holes = set(sorted(self.holes)[-_MOST_HOLES // 2 :])
        self.confirmed, self.confirmed_s = before, now_s
        if before is not None and before > self.reached:
            self._reach(before)

    def awaited_from(self, now_s: float) -> int | None:
        """Open time from which candles are on their way although there is a later one: REST is being asked for them.

        ``None`` if none are, and after ten minutes.
        """
        if self.ahead is None or self.asking is None or self.asking.done():
            return None
        return self.slots.open(self.reached + 1) if now_s - self.ahead[1] < _LONGEST_AWAITED_S else None

    def note_coming(self, open_ms: int, now_s: float) -> bool:
        """Note a final candle from a websocket that is not stored yet; whether candles before it are lacking.

        Once it is stored, those would otherwise look as if they did not exist.
        """
        number = self.slots.number(open_ms)
        if number <= self.reached + 1:
            return False
        self.ahead = number, now_s if self.ahead is None else self.ahead[1]
        return True

    def note_pushed(self, open_ms: int) -> bool:
        """Note a final candle from a websocket that is stored; whether candles before it are lacking."""
        number = self.slots.number(open_ms)
        self.pushed = number if self.pushed is None else max(self.pushed, number)
        if number == self.reached + 1:
            self._reach(number)
        return number > self.reached

    def _reach(self, number: int) -> None:
        self.reached = number
        if self.ahead is not None and number >= self.ahead[0] - 1:
            self.ahead = None
