"""Which series a file's rows belong to: exchange, symbol and timeframe from its columns, the options, or its name."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.cells import as_text, is_filled
from candles.files.options import ImportOptions
from candles.files.path_names import in_market, names_in_path
from candles.files.raw import SERIES_COLUMNS
from common.errors import CandleFileError, HubError
from common.timeframes import normalise_timeframe
from registry.instruments import normalise_exchange, split_exchange
from registry.naming import read_instrument
from registry.symbols import pair_in

_EXCHANGE_PREFIX = r"^([A-Za-z][A-Za-z0-9_]*):"


@dataclass(frozen=True)
class RowNames:
    """``exchange``, ``symbol``, ``timeframe`` and ``problem`` (a reason or null) of rows: one value per row, or one for
    all. ``guessed`` is whether the symbol is only a guess from the file's name or folder. ``pairs`` has base and quote
    by their letters, where the file, its name or the options say them plainly."""

    columns: dict[str, pl.Expr]
    notes: tuple[str, ...] = ()
    guessed: bool = False
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def name_rows(
    columns: dict[str, pl.Series], ticker: str | None, units: tuple[str, ...], options: ImportOptions, path: Path
) -> RowNames:
    """The series of each row. ``ticker`` is the symbol that the file's header names, if it does, and ``units`` are the
    words in the names of its volumes.

    Raises :class:`CandleFileError` if nothing says which series the rows belong to, or if a column contradicts an
    option. What a file's name or folder says is a guess, which options override.
    """
    texts = {name: as_text(columns[name]) for name in SERIES_COLUMNS if name in columns}
    if "symbol" in texts and "exchange" not in texts:
        prefix = texts["symbol"].str.extract(_EXCHANGE_PREFIX)
        if prefix.is_not_null().any():
            texts["exchange"] = prefix.fill_null(options.exchange or options.default_exchange)
    path_names = names_in_path(path)
    parts = {
        "exchange": _Part("exchange", normalise_exchange, options.exchange, path),
        "symbol": _Part("symbol", partial(_symbol, options.exchange or options.default_exchange), options.symbol, path),
        "timeframe": _Part("timeframe", normalise_timeframe, options.timeframe, path),
    }
    names: dict[str, pl.Expr] = {}
    unreadable: dict[str, pl.Expr] = {}
    notes: list[str] = []
    guessed = False
    for name, part in parts.items():
        text = texts.get(name)
        if text is not None and is_filled(text).any():
            names[name], unreadable[name], note = part.of_column(text)
            notes += [note] if note else []
        elif part.stated is not None:
            names[name] = pl.lit(part.stated)
        elif name == "exchange":
            names[name] = pl.lit(part.read(path_names.exchange or options.default_exchange))
        elif name == "symbol" and ticker is not None:
            names[name] = pl.lit(part.read(ticker))
        elif name == "symbol":
            guessed = True
            ticker = path_names.symbol and in_market(path_names.symbol, path)
            names[name] = pl.lit(part.read(ticker))
        else:
            names[name] = pl.lit(part.read(path_names.timeframe))
    nothing = pl.lit(False)
    names["problem"] = (
        pl.when(unreadable.get("exchange", nothing) | unreadable.get("symbol", nothing))
        .then(pl.lit(reasons.UNREADABLE_NAME))
        .when(unreadable.get("timeframe", nothing))
        .then(pl.lit(reasons.UNSUPPORTED_TIMEFRAME))
    )
    spelled = [*_spelled(texts.get("symbol")), ticker]
    pairs = {options.pair, *(pair_in(split_exchange(text, "")[1]) for text in spelled if text)} - {None}
    # A file with volumes in BTC and in USDT says what BTCUSDT is.
    pairs |= set(permutations(units, 2))
    return RowNames(names, tuple(notes), guessed, _by_letters(pairs))


def _spelled(text: pl.Series | None) -> list[str]:
    return [] if text is None else text.drop_nulls().unique().sort().to_list()


def _by_letters(pairs: Iterable[tuple[str, str] | None]) -> dict[str, tuple[str, str]]:
    """The pairs by their letters, without letters that are parted in two ways."""
    by_letters: dict[str, set[tuple[str, str]]] = {}
    for pair in pairs:
        if pair is not None:
            by_letters.setdefault("".join(pair), set()).add(pair)
    return {letters: min(parted) for letters, parted in by_letters.items() if len(parted) == 1}


@dataclass(frozen=True)
class _Part:
    """One of the three names; ``stated`` is the caller's option, which a column must not contradict."""

    name: str
    normalise: Callable[[str], str]
    stated: str | None
    path: Path

    def of_column(self, text: pl.Series) -> tuple[pl.Expr, pl.Expr, str | None]:
        """Each row's name (as it is spelled where it cannot be read), a mask of the unreadable ones, and a note."""
        filled = is_filled(text)
        read: dict[str, str] = {}
        for spelling in text.filter(filled).unique().to_list():
            with suppress(HubError):
                read[spelling] = self.normalise(spelling)
        others = sorted(set(read.values()) - {self.stated})
        note = None
        if self.stated is not None and not read and self.name == "timeframe":
            words = sorted(text.filter(filled).unique())
            note = f"{', '.join(map(repr, words[:5]))} is no timeframe; the rows were stored as {self.stated}"
            read = dict.fromkeys(words, self.stated)
        if self.stated is not None and others:
            # The symbols of a spot market and of its perpetuals are often spelled alike.
            if self.name != "symbol" or len(set(read.values())) > 1 or _letters(others[0]) != _letters(self.stated):
                raise CandleFileError(
                    f"{self.path}: the option {self.name} is {self.stated}, but a column says {', '.join(others[:5])}; "
                    f"leave the option {self.name} out to use the column"
                )
            note = f"the symbol column says {others[0]}; they were stored as {self.stated}, as --symbol says"
            read = dict.fromkeys(read, self.stated)
        names = text.replace_strict(read, default=None, return_dtype=pl.String)
        unreadable = filled & names.is_null()
        spelled = text.set(~filled, None)
        return pl.lit(names.zip_with(~unreadable, spelled)), pl.lit(unreadable), note

    def read(self, spelling: str | None) -> str:
        """A name from outside the rows."""
        if spelling is None:
            raise CandleFileError(
                f"{self.path}: neither a column nor the file's name tells the {self.name}; pass the option {self.name} "
                f"(--{self.name})"
            )
        try:
            return self.normalise(spelling)
        except HubError as error:
            raise CandleFileError(
                f"{self.path}: in the file's name: {error}; or pass the option {self.name} (--{self.name})"
            ) from error


def _symbol(exchange: str, text: str) -> str:
    return read_instrument(text, exchange).symbol


def _letters(symbol: str) -> str:
    """A symbol without what tells its market: the mark of a perpetual, or the currency in which it settles."""
    return symbol.partition(".")[0].partition(":")[0].replace("/", "")
