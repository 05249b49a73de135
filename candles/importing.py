"""Imports candle files into a store: read, check, keep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from candles.files.naming import DEFAULT_EXCHANGE, ImportOptions
from candles.files.raw import SERIES_COLUMNS
from candles.files.reading import read_candles
from candles.files.tables import is_candle_file
from candles.fill import fill_gaps
from candles.quality import CheckedCandles, Gap, check
from common.clock import Clock
from common.errors import CandleFileError
from registry.groups import Series, series_of
from registry.store.parts.candles import UpsertCounts


class CandleSink(Protocol):
    """The part of a store that an import needs: ``store.candles``."""

    def upsert(self, candles: pl.DataFrame, /) -> UpsertCounts:
        """Keep accepted candles; one call is one transaction."""
        ...

    def quarantine(self, rows: pl.DataFrame, /) -> int:
        """Keep rejected rows with their reasons; returns how many are new."""
        ...


@dataclass(frozen=True)
class ImportReport:
    """What became of one file. ``accepted`` and the counts of ``quarantined`` (by reason) add up to the file's rows.

    ``inserted``, ``unchanged``, ``replaced`` and ``revised`` add up to ``accepted`` plus ``filled``.

    If the file could not be read at all, ``error`` is set and everything else is empty.
    """

    path: Path
    series: tuple[Series, ...] = ()
    accepted: int = 0
    filled: int = 0
    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0
    revised: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the file could not be read at all."""
        return self.error is not None


def import_candles(
    paths: Iterable[Path],
    sink: CandleSink,
    *,
    clock: Clock,
    symbol: str | None = None,
    timeframe: str | None = None,
    exchange: str = DEFAULT_EXCHANGE,
    fill: bool = False,
    progress: Callable[[ImportReport], None] | None = None,
) -> list[ImportReport]:
    """Read, check and store every file; a folder stands for the candle files below it, in order of their names.

    The options are those of :func:`candles.files.reading.read_candles`. ``fill`` puts flat candles into a file's gaps,
    for pairs whose source leaves a candle out when nothing was traded. A file that cannot be read gets a failed report
    and does not stop the others. ``progress`` is called with each report as soon as its file is stored.

    Raises :class:`TimeframeError` or :class:`InstrumentError` for invalid options before any file is read, and
    whatever the store raises; files reported by then are stored.
    """
    ImportOptions.parse(symbol, timeframe, exchange)
    reports = []
    for path in candle_files(paths):
        try:
            if path.is_dir():
                raise CandleFileError(f"{path}: the folder holds no candle files")
            raw = read_candles(path, symbol=symbol, timeframe=timeframe, exchange=exchange)
            report = _store(path, check(raw, now_ms=clock.now_ms()), sink, fill=fill)
        except CandleFileError as error:
            report = ImportReport(path, error=str(error))
        reports.append(report)
        if progress is not None:
            progress(report)
    return reports


def candle_files(paths: Iterable[Path]) -> list[Path]:
    """The files that ``paths`` stand for, each once. A folder without candle files stays in, to be reported as such."""
    files: dict[Path, None] = {}
    for path in map(Path, paths):
        below = sorted(file for file in path.rglob("*") if file.is_file() and is_candle_file(file))
        files |= dict.fromkeys(below or [path])
    return list(files)


def _store(path: Path, checked: CheckedCandles, sink: CandleSink, *, fill: bool) -> ImportReport:
    counts = sink.upsert(fill_gaps(checked.candles, checked.gaps) if fill else checked.candles)
    if not checked.quarantined.is_empty():
        sink.quarantine(checked.quarantined)
    series = checked.candles.select(SERIES_COLUMNS).unique(maintain_order=True)
    by_reason = checked.quarantined["reason"].value_counts(sort=True)
    return ImportReport(
        path,
        series=tuple(series_of(*names) for names in series.iter_rows()),
        accepted=checked.candles.height,
        filled=sum(gap.missing for gap in checked.gaps) if fill else 0,
        inserted=counts.inserted,
        unchanged=counts.unchanged,
        replaced=counts.replaced,
        revised=counts.revised,
        quarantined=dict(by_reason.iter_rows()),
        gaps=checked.gaps,
        notes=checked.notes,
    )
