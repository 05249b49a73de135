"""Which series a file's rows belong to: exchange, symbol and timeframe from its columns, the options, or its name."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import polars as pl

from candles import reasons
from candles.files.columns import as_text, is_filled
from candles.files.raw import SERIES_COLUMNS
from common.errors import CandleFileError, HubError, InstrumentError
from common.timeframes import normalise_timeframe
from registry.instruments import normalise_exchange
from registry.naming import read_instrument

DEFAULT_EXCHANGE = "BINANCE"
# BTCUSDT-1h-2024-12.csv (Binance's dumps), BTC_USDT-1h.feather (freqtrade), ADAUSDT_60m.csv. Upper case only and
# nothing but a date after it: "spy_ADJUSTED-1d" and freqtrade's "BTC_USDT_USDT-1h-mark" are not what they seem.
_FILE_NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]{2,20}(?:[_-][A-Z]{2,10})?)[-_](?P<timeframe>[0-9]{1,5}[A-Za-z]{1,3})"
    r"(?:[-_][0-9]{4}(?:-[0-9]{2}){0,2})?"
)
_EXCHANGE_PREFIX = r"^([A-Za-z][A-Za-z0-9_]*):"


@dataclass(frozen=True)
class ImportOptions:
    """What the caller says about a file, normalised. ``exchange`` applies where the file does not name one."""

    symbol: str | None
    timeframe: str | None
    exchange: str

    @classmethod
    def parse(cls, symbol: str | None, timeframe: str | None, exchange: str) -> Self:
        """Normalise the options; ``symbol`` may include the exchange.

        Raises :class:`InstrumentError` or :class:`TimeframeError`.
        """
        exchange = normalise_exchange(exchange)
        if timeframe is not None:
            timeframe = normalise_timeframe(timeframe)
        if symbol is not None:
            instrument = read_instrument(symbol, exchange)
            if exchange not in (DEFAULT_EXCHANGE, instrument.exchange):
                raise InstrumentError(
                    f"symbol {symbol!r} names an exchange other than {exchange}; leave one of them out"
                )
            symbol, exchange = instrument.symbol, instrument.exchange
        return cls(symbol, timeframe, exchange)


def name_rows(columns: dict[str, pl.Series], options: ImportOptions, path: Path) -> dict[str, pl.Expr]:
    """``exchange``, ``symbol``, ``timeframe`` and ``problem`` (a reason or null): one value per row, or one for all.

    Raises :class:`CandleFileError` if nothing says which series the rows belong to, or if the sources contradict each
    other.
    """
    texts = {name: as_text(columns[name]) for name in SERIES_COLUMNS if name in columns}
    if "symbol" in texts and "exchange" not in texts:
        prefix = texts["symbol"].str.extract(_EXCHANGE_PREFIX)
        if prefix.is_not_null().any():
            texts["exchange"] = prefix.fill_null(options.exchange)
    # The default exchange is not a statement by the caller, so a column may say something else.
    stated_exchange = None if options.exchange == DEFAULT_EXCHANGE else options.exchange
    parts = {
        "exchange": _Part("exchange", normalise_exchange, stated_exchange, path),
        "symbol": _Part("symbol", partial(_symbol, options.exchange), options.symbol, path),
        "timeframe": _Part("timeframe", normalise_timeframe, options.timeframe, path),
    }
    in_file_name = _FILE_NAME.fullmatch(path.name.split(".")[0])
    names: dict[str, pl.Expr] = {}
    unreadable: dict[str, pl.Expr] = {}
    for name, part in parts.items():
        text = texts.get(name)
        if text is not None and is_filled(text).any():
            names[name], unreadable[name] = part.of_column(text)
        elif name == "exchange":
            names[name] = pl.lit(options.exchange)
        else:
            names[name] = pl.lit(part.of_file_name(in_file_name and in_file_name[name]))
    nothing = pl.lit(False)
    names["problem"] = (
        pl.when(unreadable.get("exchange", nothing) | unreadable.get("symbol", nothing))
        .then(pl.lit(reasons.UNREADABLE_NAME))
        .when(unreadable.get("timeframe", nothing))
        .then(pl.lit(reasons.UNSUPPORTED_TIMEFRAME))
    )
    return names


@dataclass(frozen=True)
class _Part:
    """One of the three names; ``stated`` is the caller's option, which the file must not contradict."""

    name: str
    normalise: Callable[[str], str]
    stated: str | None
    path: Path

    def of_column(self, text: pl.Series) -> tuple[pl.Expr, pl.Expr]:
        """Each row's name (its original spelling where it cannot be read), and a mask of the unreadable ones."""
        filled = is_filled(text)
        read: dict[str, str] = {}
        for spelling in text.filter(filled).unique().to_list():
            with suppress(HubError):
                read[spelling] = self.normalise(spelling)
        others = sorted(set(read.values()) - {self.stated})
        if self.stated is not None and others:
            raise CandleFileError(
                f"{self.path}: the option {self.name} is {self.stated}, but a column says {', '.join(others[:5])}; "
                f"leave the option {self.name} out to use the column"
            )
        names = text.replace_strict(read, default=None, return_dtype=pl.String)
        unreadable = filled & names.is_null()
        spelled = text.set(~filled, None)
        return pl.lit(names.zip_with(~unreadable, spelled)), pl.lit(unreadable)

    def of_file_name(self, spelling: str | None) -> str:
        """What the option or the file's name says, which must agree if both do."""
        if spelling is None:
            if self.stated is None:
                raise CandleFileError(
                    f"{self.path}: neither a column nor the file's name tells the {self.name}; "
                    f"pass the option {self.name}"
                )
            return self.stated
        try:
            read = self.normalise(spelling)
        except HubError as error:
            raise CandleFileError(f"{self.path}: in the file's name: {error}") from error
        if self.stated not in (None, read):
            raise CandleFileError(
                f"{self.path}: the option {self.name} is {self.stated}, but the file's name says {read}; "
                f"leave the option {self.name} out, or rename the file"
            )
        return read


def _symbol(exchange: str, text: str) -> str:
    return read_instrument(text, exchange).symbol
