"""What a bot would have done that is one configuration, as bots are created with: on a frame of candles, or a store's.

simulate_bot({"bot_type": "dca", "baseOrderSize": 100, "entryConditions": ["BTCUSDT 1h: rsi(14) < 30"]}, candles)
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.backtesting.sources import StoreSource, whole
from bots.definition import DefinedBot, define_bot
from bots.machine import ConditionRole
from bots.orders import MarketRules
from bots.simulation import Simulation, simulate
from candles.calendars import stored_calendars
from candles.series import SeriesReader
from common.errors import BotConfigError, CandlesMissing
from common.timeframes import DURATION_MS, Moment, read_moment
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Instrument
from registry.naming import read_instrument, reading
from registry.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


def simulate_bot(
    bot_config: Mapping[str, object],
    candles: "pl.DataFrame | pd.DataFrame | Store",
    *,
    kind: str | None = None,
    symbol: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    exchange: str = "BINANCE",
    market: MarketRules | None = None,
    triggers: pl.DataFrame | None = None,
) -> Simulation[Any]:
    """Run the bot of a whole configuration; ``kind`` may stand in it as ``bot_type``.

    ``candles`` are a frame, as :func:`bots.simulation.simulate` takes it, or a store, whose candles are read as they
    are judged. ``symbol`` says which, if the bot has several markets: each is simulated by itself, so that what acts on
    all of them, ``max_active_deals`` and ``protections``, does nothing here. The bot sees the candles that close after
    ``since`` and by ``until``. ``triggers`` are as for :func:`bots.simulation.simulate`. ``market`` are the rules of
    its market in place of those that a store lists and the configuration's ``paper`` says.

    Raises :class:`common.errors.BotConfigError`, :class:`common.errors.ConditionError`,
    :class:`common.errors.CandlesMissing` and :class:`common.errors.TimeFormatError`, which say how to mend it.
    """
    since_ms, until_ms = read_moment(since), read_moment(until)
    frame: Any = candles
    store = _store_in(candles)
    if store is not None:
        directory = store.candles.directory()
        with reading(directory):
            defined = define_bot(bot_config, kind, default_exchange=exchange)
            instrument = _market_of(defined, symbol, exchange)
        listing = directory.by_instrument.get(instrument)
        rules = market or defined.definition.market(listing)
        calendars = stored_calendars(store)
        frame = _stored(store, defined, instrument, rules, since_ms, until_ms)
    else:
        defined = define_bot(bot_config, kind, default_exchange=exchange)
        instrument = _market_of(defined, symbol, exchange)
        rules = market or defined.definition.market(None)
        calendars = None
    definition = defined.definition
    account, terms = definition.new_account(), definition.paper
    return simulate(
        definition.machine(definition.kind, rules),
        frame,
        _conditions(defined, instrument),
        symbol=str(instrument),
        base=account.base,
        quote=account.quote,
        volume_share=terms.volume_share,
        fees_in=terms.fees_in,
        path=definition.path,
        exchange=exchange,
        calendars=calendars,
        since_ms=since_ms,
        until_ms=until_ms,
        triggers=triggers,
    )


def _store_in(candles: Any) -> Store | None:
    """Candles, if they are a store."""
    return candles if hasattr(candles, "ticks") and hasattr(candles, "registry") else None


def _market_of(defined: DefinedBot, symbol: str | None, exchange: str) -> Instrument:
    names = ", ".join(map(str, defined.instruments))
    if symbol is not None:
        instrument = read_instrument(symbol, exchange)
        if instrument not in defined.instruments:
            raise BotConfigError(f"the bot does not trade {instrument}; it trades {names}")
        return instrument
    if len(defined.instruments) > 1:
        raise BotConfigError(f"the bot has several markets, which are simulated one by one; choose one of {names}")
    return defined.instruments[0]


def _conditions(defined: DefinedBot, instrument: Instrument) -> list[tuple[Condition, ConditionRole]]:
    return [(condition, role) for own, condition, role in defined.roles() if own == instrument]


def _stored(
    store: Store,
    defined: DefinedBot,
    instrument: Instrument,
    rules: MarketRules,
    since_ms: int | None,
    until_ms: int | None,
) -> pl.DataFrame:
    """The candles that the bot and its conditions need. Those that only the bot sees begin with its time."""
    conditions = [condition for condition, _ in _conditions(defined, instrument)]
    histories = StoreSource(store).read(conditions).histories if conditions else {}
    frames = [_named(series, whole(history)) for series, history in histories.items()]
    frames += _own(store, defined, instrument, rules, histories.keys(), since_ms, until_ms)
    return pl.concat(frames)


def _own(
    store: Store,
    defined: DefinedBot,
    instrument: Instrument,
    rules: MarketRules,
    there: Collection[Series],
    since_ms: int | None,
    until_ms: int | None,
) -> list[pl.DataFrame]:
    """The candles on which the bot moves, and those of its indicators, without what is there."""
    own = [series for series in store.candles.names() if series.instrument == instrument]
    if not own:
        raise CandlesMissing(f"no candles of {instrument}, which the bot trades; import some: hub candles import FILE")
    smallest = min(own, key=lambda series: DURATION_MS[series.timeframe])
    machine, reader, frames = defined.definition.machine("", rules), SeriesReader.of(store), []
    starts = {smallest: since_ms} | {smallest.at(each.timeframe): None for each in machine.readings}
    for series, start_ms in starts.items():
        extent = reader.extent(series)
        if series in there or extent is None:
            continue
        stop_ms = extent[1] + 1 if until_ms is None else min(until_ms, extent[1] + 1)
        begin_ms = extent[0] if start_ms is None else max(extent[0], reader.calendar(series).last_open(start_ms))
        frames.append(_named(series, reader.between(series, begin_ms, stop_ms)))
    return frames


def _named(series: Series, rows: pl.DataFrame) -> pl.DataFrame:
    names: Sequence[tuple[str, str]] = (
        ("exchange", series.instrument.exchange), ("symbol", series.instrument.symbol), ("timeframe", series.timeframe),
    )  # fmt: skip
    return rows.select(*(pl.lit(name).alias(column) for column, name in names), *_COLUMNS)
