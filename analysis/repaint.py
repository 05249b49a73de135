"""How much a condition repaints: firings on candles that were still forming, which were gone by the close.

Hubs that judge forming candles act on them. Here each candle is built up from smaller ones, and the condition is judged
after each of them as if the candle closed there, from the same state of its indicators. What other series show is taken
as of the candle's close.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.backtesting.sources import source_of, whole
from common.candle_columns import VALUES
from common.errors import CandlesMissing
from engine.calendars import AnyCalendars
from engine.candle_frames import ConditionSource, histories_of, read_conditions
from engine.candle_history import open_times
from engine.part import LoadSlot, Part, PlanGroup, SeriesHistory
from engine.plan import make_plan
from engine.resampling import divisors
from registry.conditions import Condition
from registry.groups import Series

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Repaint:
    """What became of the firings on forming candles. All counts are candles."""

    condition: Condition
    smaller: str
    """The timeframe from which candles were built up."""
    candles: int
    fired_forming: int
    """Candles on which it fired at least once before the close."""
    vanished: int
    """Those of them on which it did not fire at the close."""
    fired: int
    """Candles on which it fired at the close."""
    only_at_close: int
    """Those of them on which it had not fired before."""
    frame: pl.DataFrame
    """One row a candle on which it fired at any time: ``close_time``, ``first_part`` (the smaller candle, from 1 on,
    with which it first fired, null if only at the close), ``fired`` at the close."""

    @property
    def vanished_share(self) -> float | None:
        """The share of firings on forming candles that were gone by the close."""
        return self.vanished / self.fired_forming if self.fired_forming else None

    def __str__(self) -> str:
        if not self.fired_forming:
            return f"{self.condition}: it fired on none of {self.candles:,} candles before the close"
        return (
            f"{self.condition}: on {self.fired_forming:,} of {self.candles:,} candles it fired before the close, and on"
            f" {self.vanished:,} of these ({self.vanished / self.fired_forming:.0%}) not at the close"
        )

    def _repr_html_(self) -> str:
        from analysis.backtesting.report_html import facts

        rows = [
            ("condition", str(self.condition)),
            ("candles", f"{self.candles:,}, each built up from candles of {self.smaller}"),
            ("fired before the close", f"on {self.fired_forming:,} candles"),
            ("gone by the close", f"on {self.vanished:,} of them"),
            ("fired at the close", f"on {self.fired:,} candles, on {self.only_at_close:,} of them not before"),
        ]
        return facts(rows)


def repaint(
    condition: ConditionSource,
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    last: int = 500,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Repaint:
    """Judge the last ``last`` candles of a condition while they form.

    ``candles`` is a frame as :func:`analysis.scan` takes it, with candles of the condition's instrument over a shorter
    timeframe; the longest that divides its own is used. ``progress`` is called with the number of candles done and
    their total. Raises :class:`common.errors.CandlesMissing` where there are none.
    """
    (parsed,) = read_conditions(condition, exchange)
    read = source_of(candles, exchange=exchange, calendars=calendars).read([parsed])
    histories = {series: whole(read.histories[series]) for series in parsed.all_series}
    named = histories_of(candles, [parsed], exchange)
    base = parsed.series
    source = next(
        (name for name in divisors(base.timeframe, read.calendars.grid(base)) if base.at(name) in named), None
    )
    if source is None:
        have = ", ".join(sorted(named))
        raise CandlesMissing(
            f"no candles of {base.instrument} over a timeframe that divides {base.timeframe}; there are {have}"
        )
    calendar, opens = read.calendars.of(base), open_times(histories[base])
    begin = max(0, opens.size - last)
    forming = _forming(named[base.at(source)], calendar.slots.number(open_times(named[base.at(source)])))
    plan = make_plan([parsed])
    place = {series: index for index, series in enumerate(plan.series)}
    group = PlanGroup(parsed.group, place[base], tuple(place[series] for series in parsed.all_series))
    reached = calendar.close(int(opens[max(0, begin - 1)]))
    part = Part(
        plan,
        [group],
        {parsed.group: reached},
        [read.calendars.of(series) for series in plan.series],
        {
            series: SeriesHistory(
                int(open_times(frame)[0]),
                frame.filter(pl.col("open_time").dt.epoch("ms") <= read.calendars.of(series).last_open(reached)),
            )
            for series, frame in histories.items()
        },
    )
    scratch = part.carve([parsed.group])
    load = _loader(histories)
    rows: list[tuple[int, int | None, bool]] = []
    judged = 0
    first = calendar.slots.number(int(opens[begin])) if begin else calendar.slots.number(int(opens[0])) + 1
    numbers = range(first, calendar.slots.number(int(opens[-1])) + 1)
    known = set(opens.tolist())
    for done, number in enumerate(numbers, 1):
        open_ms, close_ms = calendar.slots.open(number), calendar.slots.close(number)
        first_part = None
        parts = forming.get(number, ())
        for count, values in enumerate(parts[:-1] if open_ms in known else (), 1):
            scratch.adopt(part)
            moved = scratch.move(scratch.groups, close_ms, _with(load, base, open_ms, values))
            if moved.fired and first_part is None:
                first_part = count
        fired = bool(part.move(part.groups, close_ms, load).fired)
        judged += open_ms in known
        if fired or first_part is not None:
            rows.append((close_ms, first_part, fired))
        if progress is not None:
            progress(done, len(numbers))
    frame = pl.DataFrame(
        rows, schema={"close_time": pl.Int64, "first_part": pl.Int64, "fired": pl.Boolean}, orient="row"
    ).with_columns(pl.col("close_time").cast(pl.Datetime("ms", "UTC")))
    early = frame.filter(pl.col("first_part").is_not_null())
    at_close = frame.filter(pl.col("fired"))
    return Repaint(
        condition=parsed,
        smaller=source,
        candles=judged,
        fired_forming=early.height,
        vanished=early.filter(~pl.col("fired")).height,
        fired=at_close.height,
        only_at_close=at_close.filter(pl.col("first_part").is_null()).height,
        frame=frame,
    )


def _forming(smaller: pl.DataFrame, numbers: Any) -> dict[int, list[tuple[float, ...]]]:
    """Slot -> the candle as it stands after each of its parts, in the order of ``VALUES``."""
    grouped = smaller.with_columns(pl.Series("slot", numbers)).with_columns(
        pl.col("open").first().over("slot"),
        pl.col("high").cum_max().over("slot"),
        pl.col("low").cum_min().over("slot"),
        pl.col("volume").cum_sum().over("slot"),
    )
    forming: dict[int, list[tuple[float, ...]]] = {}
    for slot, values in zip(grouped["slot"].to_list(), grouped.select(VALUES).rows(), strict=True):
        forming.setdefault(slot, []).append(values)
    return forming


def _loader(histories: Mapping[Series, pl.DataFrame]) -> LoadSlot:
    rows: dict[tuple[str, int], dict[Series, Sequence[float]]] = {}
    for series, frame in histories.items():
        for open_ms, values in zip(open_times(frame).tolist(), frame.select(VALUES).rows(), strict=True):
            rows.setdefault((series.timeframe, open_ms), {})[series] = values
    return lambda timeframe, open_ms: rows.get((timeframe, open_ms), {})


def _with(load: LoadSlot, series: Series, open_ms: int, values: tuple[float, ...]) -> LoadSlot:
    """The same with another candle of one slot."""

    def loaded(timeframe: str, asked_ms: int) -> Mapping[Series, Sequence[float]]:
        slot = load(timeframe, asked_ms)
        return {**slot, series: values} if (timeframe, asked_ms) == (series.timeframe, open_ms) else slot

    return loaded
