"""What the caller of an import says about the files."""

from dataclasses import dataclass
from typing import Self

from candles.files.columns import IGNORED, ROLES
from common.candle_columns import OHLC
from common.errors import CandleFileError, InstrumentError
from common.grids import Grid
from common.timeframes import normalise_timeframe
from common.zones import zone as zone_of
from registry.instruments import Calendar, normalise_exchange, split_exchange
from registry.naming import read_instrument
from registry.symbols import pair_in

DEFAULT_EXCHANGE = "BINANCE"


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import, normalised. What is ``None`` is for the file to say."""

    symbol: str | None = None
    pair: tuple[str, str] | None = None
    """Base and quote, where the caller's spelling of the symbol says them."""
    timeframe: str | None = None
    exchange: str | None = None
    default_exchange: str = DEFAULT_EXCHANGE
    """The exchange where neither option nor file names one."""
    columns: tuple[str, ...] | None = None
    """The parts of a candle in the order of the file's columns: :data:`candles.files.columns.ROLES`."""
    zone: str | None = None
    """The zone of times without an offset."""
    stamps_the_close: bool = False
    """Whether times are those at which candles closed."""
    grid: Grid | None = None
    """The grid of the instruments."""
    calendar: Calendar | None = None
    fill: bool = False
    """Whether gaps are filled with flat candles."""
    widen: bool = False
    """Whether low to high is widened to an open that is the close before."""
    force: bool = False
    """Whether candles are stored that look like those of another timeframe or another market."""

    @classmethod
    def parse(
        cls,
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        exchange: str | None = None,
        default_exchange: str = DEFAULT_EXCHANGE,
        columns: str | None = None,
        zone: str | None = None,
        stamps_the_close: bool = False,
        grid: str | None = None,
        calendar: Calendar | None = None,
        fill: bool = False,
        widen: bool = False,
        force: bool = False,
    ) -> Self:
        """The options in the caller's spelling; ``symbol`` may include the exchange, ``columns`` are parted by commas.

        Raises :class:`InstrumentError`, :class:`common.errors.TimeframeError`, :class:`common.errors.ZoneError`,
        :class:`common.errors.GridError`, or :class:`CandleFileError` for columns that are no candle's.
        """
        default_exchange = normalise_exchange(default_exchange)
        exchange = None if exchange is None else normalise_exchange(exchange)
        pair = None
        if symbol is not None:
            pair = pair_in(split_exchange(symbol, "")[1])
            instrument = read_instrument(symbol, exchange or default_exchange)
            if exchange not in (None, instrument.exchange):
                raise InstrumentError(
                    f"symbol {symbol!r} names an exchange other than {exchange}; leave one of them out"
                )
            symbol = instrument.symbol
            exchange = instrument.exchange
        return cls(
            symbol,
            pair,
            None if timeframe is None else normalise_timeframe(timeframe),
            exchange,
            default_exchange,
            None if columns is None else _columns(columns),
            None if zone is None else zone_of(zone).key,
            stamps_the_close,
            None if grid is None else Grid.parse(grid),
            calendar,
            fill,
            widen,
            force,
        )


def _columns(text: str) -> tuple[str, ...]:
    words = tuple(word.strip().lower() for word in text.split(","))
    unknown = next((word for word in words if word not in ROLES and word not in IGNORED), None)
    if unknown is not None:
        raise CandleFileError(
            f"--columns: {unknown!r} is no part of a candle; write {', '.join(ROLES)}, or - for a column to ignore"
        )
    missing = [word for word in ("time", *OHLC) if word not in words]
    if missing:
        raise CandleFileError(
            f"--columns names no {', '.join(missing)}; write for example time,open,high,low,close,volume"
        )
    twice = next((word for word in words if word not in IGNORED and words.count(word) > 1), None)
    if twice is not None:
        raise CandleFileError(f"--columns names {twice} twice; write - for a column to ignore")
    return words
