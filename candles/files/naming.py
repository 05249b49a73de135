"""Whose candles a file holds: exchange, symbol and timeframe from its columns, the caller's options, or its name."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from candles import reasons
from candles.files.columns import as_text, is_filled
from candles.files.raw import SERIES
from common.errors import CandleFileError, HubError, InstrumentError
from common.timeframes import normalise_timeframe
from registry.instruments import normalise_exchange, normalise_instrument

DEFAULT_EXCHANGE = "BINANCE"
# BTCUSDT-1h-2024-12.csv (Binance's dumps), BTC_USDT-1h.feather (freqtrade), ADAUSDT_60m.csv. Upper case only and
# nothing but a date behind: "spy_ADJUSTED-1d" or freqtrade's "BTC_USDT_USDT-1h-mark" are not what they seem.
_FILE_NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]{2,20}(?:[_-][A-Z]{2,10})?)[-_](?P<timeframe>[0-9]{1,5}[A-Za-z]{1,3})"
    r"(?:[-_][0-9]{4}(?:-[0-9]{2}){0,2})?"
)
_EXCHANGE_PREFIX = r"^([A-Za-z][A-Za-z0-9_]*):"


@dataclass(frozen=True)
class ImportOptions:
    """What the caller says about a file, normalised. ``exchange`` holds where the file does not name one."""

    symbol: str | None
    timeframe: str | None
    exchange: str

    @classmethod
    def parse(cls, symbol: str | None, timeframe: str | None, exchange: str) -> Self:
        """Raises :class:`InstrumentError` or :class:`TimeframeError`; ``symbol`` may name the exchange itself."""
        exchange = normalise_exchange(exchange)
        if timeframe is not None:
            timeframe = normalise_timeframe(timeframe)
        if symbol is not None:
            instrument = normalise_instrument(symbol, exchange)
            if exchange not in (DEFAULT_EXCHANGE, instrument.exchange):
                raise InstrumentError(
                    f"symbol {symbol!r} names another exchange than {exchange}; leave one of them out"
                )
            symbol, exchange = instrument.symbol, instrument.exchange
        return cls(symbol, timeframe, exchange)


def name_rows(columns: dict[str, pl.Series], options: ImportOptions, path: Path) -> dict[str, pl.Expr]:
    """``exchange``, ``symbol``, ``timeframe`` and ``problem`` (a reason or null): one value a row, or one for all.

    Raises :class:`CandleFileError` where nothing says what the rows are, or where what says so is contradictory.
    """
    texts = {name: as_text(columns[name]) for name in SERIES if name in columns}
    if "symbol" in texts and "exchange" not in texts:
        prefix = texts["symbol"].str.extract(_EXCHANGE_PREFIX)
        if prefix.is_not_null().any():
            texts["exchange"] = prefix.fill_null(options.exchange)
    # The default exchange is no statement, so a column may say something else.
    stated_exchange = None if options.exchange == DEFAULT_EXCHANGE else options.exchange
    parts = {
        "exchange": _Part("exchange", normalise_exchange, stated_exchange, path),
        "symbol": _Part("symbol", _symbol, options.symbol, path),
        "timeframe": _Part("timeframe", normalise_timeframe, options.timeframe, path),
    }
    in_file_name = _FILE_NAME.fullmatch(path.name.split(".")[0])
    found: dict[str, pl.Expr] = {}
    unreadable: dict[str, pl.Expr] = {}
    for name, part in parts.items():
        text = texts.get(name)
        if text is not None and is_filled(text).any():
            found[name], unreadable[name] = part.of_column(text)
        elif name == "exchange":
            found[name] = pl.lit(options.exchange)
        else:
            found[name] = pl.lit(part.of_file_name(in_file_name and in_file_name[name]))
    nothing = pl.lit(False)
    found["problem"] = (
        pl.when(unreadable.get("exchange", nothing) | unreadable.get("symbol", nothing))
        .then(pl.lit(reasons.UNREADABLE_NAME))
        .when(unreadable.get("timeframe", nothing))
        .then(pl.lit(reasons.UNSUPPORTED_TIMEFRAME))
    )
    return found


@dataclass(frozen=True)
class _Part:
    """One of the three names; ``stated`` is the caller's option, which nothing in the file may contradict."""

    name: str
    normalise: Callable[[str], str]
    stated: str | None
    path: Path

    def of_column(self, text: pl.Series) -> tuple[pl.Expr, pl.Expr]:
        """Every row's name, as spelled where it cannot be read, and whether it cannot."""
        filled = is_filled(text)
        read: dict[str, str] = {}
        for spelling in text.filter(filled).unique().to_list():
            with suppress(HubError):
                read[spelling] = self.normalise(spelling)
        others = sorted(set(read.values()) - {self.stated})
        if self.stated is not None and others:
            raise CandleFileError(
                f"{self.path}: {self.name} {self.stated} was asked for, but a column says {', '.join(others[:5])}; "
                f"leave the option {self.name} out to take what the column says"
            )
        names = text.replace_strict(read, default=None, return_dtype=pl.String)
        unreadable = filled & names.is_null()
        spelled = text.set(~filled, None)
        return pl.lit(names.zip_with(~unreadable, spelled)), pl.lit(unreadable)

    def of_file_name(self, spelling: str | None) -> str:
        """The option, or what the file's name says; both where they agree."""
        if spelling is None:
            if self.stated is None:
                raise CandleFileError(
                    f"{self.path}: neither a column nor the file's name says which {self.name} this is; "
                    f"pass the option {self.name}"
                )
            return self.stated
        try:
            read = self.normalise(spelling)
        except HubError as error:
            raise CandleFileError(f"{self.path}: the file's name: {error}") from error
        if self.stated not in (None, read):
            raise CandleFileError(
                f"{self.path}: {self.name} {self.stated} was asked for, but the file's name says {read}; "
                f"leave the option {self.name} out, or rename the file"
            )
        return read


def _symbol(text: str) -> str:
    return normalise_instrument(text, DEFAULT_EXCHANGE).symbol
