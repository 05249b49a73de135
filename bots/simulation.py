"""What a bot would have done: its machine over candles, with the triggers of its conditions and a paper broker.

    simulation = simulate(DcaBot("tries", config, market), candles, [("BTCUSDT 1h: rsi(14) < 30", "entry")])
    simulation.deals

The machine, the order of events and the broker are those of a live bot that trades on paper, so the orders are the same
on the same candles.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal

import numpy as np
import polars as pl

from bots.arithmetic import ZERO, decimal_of, exactly
from bots.brokers.paper import PaperAccount, PaperBroker, Path
from bots.machine import CandleClosed, ConditionFired, ConditionRole, IndicatorReading, Machine, S
from bots.running import Runner, in_order
from bots.simulation_record import Record
from common.candle_columns import OHLC, VALUES
from common.errors import BotConfigError, CandlesMissing
from common.timeframes import DURATION_MS
from engine.calendars import AnyCalendars, Calendars, as_calendars
from engine.candle_frames import ConditionSource, histories_in, read_conditions
from engine.history import NO_TRIGGERS
from engine.resampling import with_built
from engine.scanning import scan
from indicators.compute import compute
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import normalise_instrument

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Simulation(Generic[S]):
    """A bot's history. Times are close times, UTC; amounts in frames are float64, exact ones are in ``state``.

    - ``deals``: ``number direction condition_id opened closed reason entry_quantity entry_price exit_price profit``,
      one row a closed deal; of a grid, one row an interval that has bought and sold; none of market making
    - ``orders``: ``time client_id purpose side kind quantity price``, one row an order that was placed
    - ``fills``: ``time client_id purpose side price quantity fee``, fees in quote
    - ``equity``: ``time price base quote gain``, one row a candle; base and quote are changes, ``gain`` their value
    - ``notes``: ``time text``
    """

    bot_id: str
    series: Series
    """What it moved on."""
    state: S
    account: PaperAccount
    deals: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    notes: pl.DataFrame

    @property
    def profit(self) -> Decimal:
        """Gain in quote after fees, with coins at the last close."""
        return self.state.equity

    @property
    def fees(self) -> Decimal:
        """Fees in quote."""
        return self.state.fees

    @property
    def drawdown(self) -> float:
        """The largest fall of the gain from its highest point before, in quote; at its beginning it is 0."""
        gain = self.equity["gain"]
        fall = (gain.cum_max().clip(lower_bound=0) - gain).max()
        return float(fall) if isinstance(fall, float) else 0.0

    def _repr_html_(self) -> str:
        from bots.simulation_html import simulation_html

        return simulation_html(self)


def simulate(
    bot: Machine[S],
    candles: "pl.DataFrame | pd.DataFrame",
    conditions: Iterable[tuple[ConditionSource, ConditionRole]] = (),
    *,
    symbol: str | None = None,
    base: Decimal | float | str = ZERO,
    quote: Decimal | float | str = Decimal(1_000_000),
    volume_share: Decimal = Decimal("0.1"),
    fees_in: Literal["quote", "received"] = "quote",
    path: Path = "low_first",
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    triggers: pl.DataFrame | None = None,
) -> Simulation[S]:
    """Run a bot over candles, as :func:`analysis.scan` takes them, on the smallest timeframe of its instrument.

    It sees those that close after ``since_ms`` and by ``until_ms``; earlier ones count for indicators alone.
    ``triggers`` are those of its conditions, with the columns of :func:`analysis.scan`, if they are known already: what
    a hub has recorded, for one.
    ``conditions`` are the bot's, with their roles. ``symbol`` is what it trades; it may be left out if all conditions
    are on one instrument, or the candles are of one. ``base`` and ``quote`` are what its account starts with;
    ``volume_share``, ``fees_in`` and ``path`` are those of :class:`bots.brokers.paper.PaperBroker`; give a bot that is
    short coins, and ``path="high_first"``. Raises :class:`common.errors.CandlesMissing` if there are no candles of the
    instrument, and what :func:`analysis.scan` raises.
    """
    roles: dict[str, set[ConditionRole]] = {}
    parsed: list[Condition] = []
    for source, role in conditions:
        (condition,) = read_conditions(source, exchange)
        parsed.append(condition)
        roles.setdefault(condition.id, set()).add(role)
    histories = histories_in(candles, parsed, exchange)
    known = as_calendars(calendars)
    series = _traded(histories, parsed, symbol, exchange)
    if triggers is None:
        triggers = scan(parsed, candles, exchange=exchange, calendars=known) if parsed else NO_TRIGGERS
    fired = _fired(triggers, roles)
    broker = PaperBroker(
        bot.market,
        PaperAccount(base=decimal_of(base), quote=decimal_of(quote)),
        path=path,
        volume_share=volume_share,
        fees_in=fees_in,
    )
    record: Record[S] = Record()
    runner = Runner(bot, broker, bot.start(), record.step)
    seen = (
        candle
        for candle in _candles(histories, series, bot.readings, known)
        if (since_ms is None or candle.time_ms > since_ms) and (until_ms is None or candle.time_ms <= until_ms)
    )
    _run(runner, broker, seen, fired, record)
    if not record.candles:
        raise CandlesMissing(f"no candle of {series} closes in that time; choose another")
    return Simulation(bot.bot_id, series, runner.state, broker.account, **record.frames())


@exactly
def _run(
    runner: Runner[S],
    broker: PaperBroker,
    candles: Iterator[CandleClosed],
    fired: Mapping[int, list[ConditionFired]],
    record: Record[S],
) -> None:
    times = sorted(fired, reverse=True)
    is_first = True
    for candle in candles:
        broker.move(candle)
        runner.catch_up()
        runner.deliver(candle)
        # What fired before the first candle is not the bot's. What fires where its instrument has no candle, as it is
        # judged on another, is seen with the next one.
        while times and times[-1] <= candle.time_ms:
            due = times.pop()
            for trigger in in_order(fired[due]) if due == candle.time_ms or not is_first else ():
                runner.deliver(trigger)
        record.candle(candle, runner.state)
        is_first = False


def _traded(
    histories: Mapping[Series, pl.DataFrame], conditions: list[Condition], symbol: str | None, exchange: str
) -> Series:
    if symbol is not None:
        instruments = {normalise_instrument(symbol, exchange)}
    else:
        instruments = {one.series.instrument for one in conditions} or {series.instrument for series in histories}
    if len(instruments) > 1:
        raise BotConfigError(f"symbol is needed: the bot could trade {' or '.join(sorted(map(str, instruments)))}")
    own = [series for series in histories if series.instrument in instruments]
    if not own:
        raise CandlesMissing(f"no candles of {', '.join(map(str, instruments)) or symbol}, which the bot trades")
    return min(own, key=lambda series: DURATION_MS[series.timeframe])


def _fired(triggers: pl.DataFrame, roles: Mapping[str, set[ConditionRole]]) -> dict[int, list[ConditionFired]]:
    """Close time -> the triggers at it, once for each of their roles."""
    fired: dict[int, list[ConditionFired]] = {}
    times = triggers["close_time"].dt.epoch("ms").to_list()
    for time_ms, condition_id, price in zip(times, triggers["condition_id"], triggers["price"], strict=True):
        for role in roles[condition_id]:
            trigger = ConditionFired(time_ms, condition_id, role, decimal_of(price))
            fired.setdefault(time_ms, []).append(trigger)
    return fired


def _candles(
    histories: Mapping[Series, pl.DataFrame],
    series: Series,
    readings: tuple[IndicatorReading, ...],
    calendars: Calendars,
) -> Iterator[CandleClosed]:
    """The candles of a series as a bot sees them, oldest first."""
    history = histories[series]
    opens = history["open_time"].dt.epoch("ms").to_numpy()
    calendars.of(series).require_slots(series, opens)
    closes = calendars.of(series).close(opens)
    read = _readings(histories, series, readings, calendars)
    for time_ms, *values in zip(closes.tolist(), *(history[name].to_list() for name in VALUES), strict=True):
        *prices, volume = (Decimal(repr(value)) for value in values)
        opening, high, low, close = prices
        # A volume that is not known fills nothing.
        volume = volume if volume.is_finite() else ZERO
        yield CandleClosed(time_ms, opening, high, low, close, volume, read.get(time_ms, {}))


def _readings(
    histories: Mapping[Series, pl.DataFrame],
    series: Series,
    readings: tuple[IndicatorReading, ...],
    calendars: Calendars,
) -> dict[int, dict[str, Decimal]]:
    """Close time -> reading -> value; without those that are not known yet."""
    read: dict[int, dict[str, Decimal]] = {}
    for reading in readings:
        other = series.at(reading.timeframe)
        complete = with_built(histories, [other], calendars)
        if other not in complete:
            raise CandlesMissing(f"no candles of {other} for {reading.key}")
        history = complete[other]
        columns: dict[str, Any] = {name: history[name].to_numpy() for name in (*OHLC, "volume")}
        (values,) = compute(reading.indicator, columns, period=reading.period).values()
        closes = calendars.of(other).close(history["open_time"].dt.epoch("ms").to_numpy())
        for time_ms, value in zip(closes.tolist(), values.tolist(), strict=True):
            if np.isfinite(value):
                read.setdefault(time_ms, {})[reading.key] = Decimal(repr(value))
    return read
