"""Where a backtest reads its candles: a frame, a store, or the URL of one of them.

A source can be sent to another process, which then reads the candles itself; that is why a URL is opened where it is
read, and a frame is sent as a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import polars as pl

from candles.epochs import Epochs
from common.errors import BacktestError, CandleFileError, CandlesMissing, HubError
from common.grids import Grid
from common.timeframes import normalise_timeframe
from engine.calendars import AnyCalendars, Calendars
from engine.candle_history import CandleHistory, FrameHistory
from engine.scanning import judged_histories
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import normalise_exchange, normalise_instrument
from registry.store import open_store
from registry.store.protocol import Store

if TYPE_CHECKING:
    import pandas as pd

_NAMES = ("exchange", "symbol", "timeframe")
_SCHEMES = ("duckdb:", "http://", "https://", "postgresql://")


@dataclass(frozen=True)
class ReadCandles:
    """The candles of some conditions, from the anchor of each series on."""

    histories: Mapping[Series, CandleHistory]
    calendars: Calendars


class CandleSource(Protocol):
    """Reads the candles that conditions are judged on."""

    def read(self, conditions: Sequence[Condition]) -> ReadCandles:
        """Raises :class:`common.errors.CandlesMissing` for a condition without candles."""


@dataclass(frozen=True)
class FrameSource:
    """A frame in memory."""

    frame: "pl.DataFrame | pd.DataFrame"
    exchange: str
    calendars: AnyCalendars | None = None
    grids: Mapping[str, Grid | str] | None = None

    def read(self, conditions: Sequence[Condition]) -> ReadCandles:
        histories, known = judged_histories(
            conditions, self.frame, exchange=self.exchange, calendars=self.calendars, grids=self.grids
        )
        return ReadCandles({series: FrameHistory(frame) for series, frame in histories.items()}, known)


@dataclass(frozen=True)
class FileSource:
    """A Parquet file with such a frame."""

    path: str
    exchange: str
    calendars: AnyCalendars | None = None
    grids: Mapping[str, Grid | str] | None = None

    def read(self, conditions: Sequence[Condition]) -> ReadCandles:
        try:
            scanned = pl.scan_parquet(self.path)
            if {condition.series for condition in conditions} == {self._only_series()}:
                # Three texts for each candle would take as much memory as the candles themselves.
                scanned = scanned.drop(_NAMES, strict=False)
            elif "symbol" in scanned.collect_schema().names():
                # Files have runs of one symbol: of those, far fewer are looked at than there are candles.
                runs = pl.col("symbol").rle().struct.field("value")
                names = scanned.select(runs.unique().alias("symbol")).collect()["symbol"].to_list()
                wanted = self._wanted(names, conditions)
                if len(wanted) < len(names):
                    scanned = scanned.filter(pl.col("symbol").is_in(wanted, nulls_equal=True))
            frame = scanned.collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise CandleFileError(f"{self.path} cannot be read as Parquet: {error}") from None
        return FrameSource(frame, self.exchange, self.calendars, self.grids).read(conditions)

    def _only_series(self) -> Series | None:
        """The series whose candles the file has, if it certainly has no other's."""
        names = _only_names(self.path)
        if "symbol" not in names or "timeframe" not in names:
            return None
        try:
            instrument = normalise_instrument(names["symbol"], names.get("exchange", self.exchange))
            if normalise_exchange(names.get("exchange", instrument.exchange)) != instrument.exchange:
                return None
            return Series(instrument, normalise_timeframe(names["timeframe"]))
        except HubError:
            # What cannot be told is an error of the frame, which says so.
            return None

    def _wanted(self, names: Sequence[str | None], conditions: Sequence[Condition]) -> list[str | None]:
        """The names in the file that may mean instruments of the conditions."""
        instruments = {instrument.symbol for condition in conditions for instrument in condition.instruments}
        wanted: list[str | None] = []
        for name in names:
            try:
                if name is None or normalise_instrument(name, self.exchange).symbol in instruments:
                    wanted.append(name)
            except HubError:
                # What cannot be told is an error of the frame, which says so.
                wanted.append(name)
        return wanted


def _only_names(path: str) -> dict[str, str]:
    """What names the series in a file -> the one text that it has there, by what the file says of its groups of rows;
    nothing if a name may have several."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import read_metadata

    try:
        metadata = read_metadata(path)
    except (OSError, ArrowInvalid):
        # It may stand for several files; whoever reads them says what is wrong.
        return {}
    names: dict[str, str] = {}
    for place in range(metadata.num_columns):
        name = metadata.schema.column(place).path
        if name not in _NAMES:
            continue
        told = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
        if any(each is None or not each.has_min_max or each.null_count != 0 for each in told):
            return {}
        values = {value for each in told for value in (each.min, each.max)}
        if len(values) != 1 or not all(isinstance(value, str) for value in values):
            return {}
        names[name] = values.pop()
    return names


@dataclass(frozen=True)
class StoreSource:
    """An open store, which cannot be sent to another process."""

    store: Store

    def read(self, conditions: Sequence[Condition]) -> ReadCandles:
        epochs, histories = Epochs(self.store), dict[Series, CandleHistory]()
        for condition in {condition.group: condition for condition in conditions}.values():
            histories |= epochs.up_to(condition, None)
        wanted = {series for condition in conditions for series in condition.all_series}
        if missing := sorted(wanted - set(histories)):
            raise CandlesMissing(f"no candles of {', '.join(missing)}; import some: hub candles import FILE")
        return ReadCandles(histories, epochs.calendars(conditions[0], None))


@dataclass(frozen=True)
class UrlSource:
    """A store that is opened where it is read."""

    url: str
    token: str | None = None

    def read(self, conditions: Sequence[Condition]) -> ReadCandles:
        with open_store(self.url, token=self.token, read_only=True) as store:
            read = StoreSource(store).read(conditions)
            frames = {series: FrameHistory(whole(history)) for series, history in read.histories.items()}
            return ReadCandles(frames, read.calendars)


def source_of(
    candles: "pl.DataFrame | pd.DataFrame | Store | str | Path",
    *,
    exchange: str,
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
    token: str | None = None,
) -> CandleSource:
    """The source that a caller means. Raises :class:`common.errors.BacktestError` for what is none."""
    if isinstance(candles, str) and candles.startswith(_SCHEMES):
        return UrlSource(candles, token)
    if isinstance(candles, str | Path):
        if not str(candles).endswith(".parquet"):
            raise BacktestError(
                f"candles are {str(candles)!r}; pass a frame, a store, the URL of one such as 'duckdb:.hub/demo', or a"
                " Parquet file"
            )
        return FileSource(str(candles), exchange, calendars, grids)
    if hasattr(candles, "registry") and hasattr(candles, "ticks"):
        return StoreSource(cast("Store", candles))
    if candles is None:
        raise BacktestError("candles are missing; pass a frame, a store, or its URL, such as 'duckdb:.hub/demo'")
    return FrameSource(candles, exchange, calendars, grids)


@contextmanager
def sendable(source: CandleSource, folder: Path, conditions: Sequence[Condition]) -> Iterator[CandleSource]:
    """A source that other processes can read, for as long as the block runs: a frame or an open store as a file."""
    if isinstance(source, FileSource | UrlSource):
        yield source
        return
    read = source.read(conditions)
    path = folder / "candles.parquet"
    frames = []
    for series, history in read.histories.items():
        if all(series not in condition.all_series for condition in conditions):
            continue
        names = {
            "exchange": series.instrument.exchange,
            "symbol": series.instrument.symbol,
            "timeframe": series.timeframe,
        }
        columns = ("open_time", "open", "high", "low", "close", "volume")
        frames.append(whole(history).select(*(pl.lit(name).alias(key) for key, name in names.items()), *columns))
    pl.concat(frames).write_parquet(path)
    yield FileSource(str(path), "BINANCE", read.calendars)


def whole(history: CandleHistory) -> pl.DataFrame:
    """All candles of a history in one frame."""
    return pl.concat(list(history.blocks()))
