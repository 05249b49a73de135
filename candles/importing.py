"""Imports candle files into a store: read, choose the grids, check, compare with what is stored, keep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from candles import reasons
from candles.files.options import ImportOptions
from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS
from candles.files.reading import read_candles
from candles.files.tables import is_candle_file
from candles.fill import fill_gaps
from candles.grid_choice import GridChoice, choose_grids
from candles.mends import MENDS
from candles.quality import CheckedCandles, Gap, check, gaps_between
from candles.stored import Encounter
from common.clock import Clock
from common.errors import CandleFileError
from registry.groups import Series, series_of
from registry.store.parts.candles import UpsertCounts
from registry.store.protocol import Store

_BLOCK = 200_000
"""Candles that are stored at once, each block in one transaction."""
_KEY = (*SERIES_COLUMNS, "open_time")

ImportStep = Callable[[Path, int, int], None]
"""Told how many candles of a file are stored, and of how many."""


@dataclass(frozen=True)
class ImportReport:
    """What became of one file. ``accepted``, ``untraded`` and the counts of ``quarantined`` (by reason) add up to the
    file's rows.

    ``inserted``, ``unchanged``, ``replaced`` and ``revised`` add up to ``accepted`` plus ``filled``. ``gaps`` are those
    that the store has from the candle before the file's first to the one after its last.

    If the file could not be read at all, ``error`` is set and everything else is empty. If none of its rows was
    accepted, ``error`` says why and how to mend it.
    """

    path: Path
    series: tuple[Series, ...] = ()
    accepted: int = 0
    untraded: int = 0
    filled: int = 0
    widened: int = 0
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
        """Whether nothing of the file could be used."""
        return self.error is not None


def import_candles(
    paths: Iterable[Path],
    store: Store,
    *,
    clock: Clock,
    options: ImportOptions | None = None,
    progress: Callable[[ImportReport], None] | None = None,
    step: ImportStep | None = None,
) -> list[ImportReport]:
    """Read, check and store every file; a folder stands for the candle files below it, in order of their names.

    A file that cannot be read gets a failed report and does not stop the others. ``progress`` is called with each
    report as soon as its file is stored, ``step`` after each block of a file's candles. One file is in memory at a
    time. Raises whatever the store raises; files reported by then are stored.
    """
    options = options or ImportOptions()
    reports = []
    for path in candle_files(paths):
        try:
            if path.is_dir():
                raise CandleFileError(f"{path}: the folder holds no candle files")
            report = _import(path, options, store, clock, step)
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


def _import(path: Path, options: ImportOptions, store: Store, clock: Clock, step: ImportStep | None) -> ImportReport:
    raw = read_candles(path, options)
    choice = choose_grids(raw, options, store)
    checked = check(raw, now_ms=clock.now_ms(), grid_of=choice.grid_of, widen=options.widen)
    # From here on only the candles are in memory.
    height, raw = raw.rows.height, replace(raw, rows=raw.rows.clear())
    if checked.wrong_timeframes and not options.force:
        raise CandleFileError(
            f"{path}: {'; '.join(checked.wrong_timeframes)} Name it with --timeframe; --force stores them all the same"
        )
    encounter = Encounter.of(checked.accepted, store.candles)
    if raw.guessed_symbol and not options.force:
        _refuse_another_market(path, encounter)
    fragments = encounter.fragments(store.candles)
    accepted = checked.accepted
    if not fragments.is_empty():
        accepted = accepted.join(fragments, on=_KEY, how="anti", maintain_order="left")
    quarantined = pl.concat([checked.quarantined, _as_quarantined(fragments, raw.source)])
    encounter = Encounter(accepted, encounter.neighbours)
    together = encounter.together()
    gaps = gaps_between(together, choice.calendars)
    flat = fill_gaps(together, gaps, choice.calendars) if options.fill else accepted.clear()
    if not accepted.is_empty() and choice.changed:
        store.candles.list_instruments(choice.changed)
    counts = _upsert(path, accepted, flat, store, step)
    if not quarantined.is_empty():
        store.candles.quarantine(quarantined)
    return _report(path, height, checked, choice, accepted, quarantined, gaps, flat.height, counts)


def _refuse_another_market(path: Path, encounter: Encounter) -> None:
    """A file's name is the same for a spot market and for its perpetuals."""
    differing = encounter.other_prices()
    if differing is not None:
        series, other, of = differing
        raise CandleFileError(
            f"{path}: {other:,} of {of:,} candles have other prices than those that are stored as {series}, and only "
            f"the file's name says which instrument it is; name it, for example --symbol {series.instrument.symbol}.P "
            "for the perpetual, or replace them with --force"
        )


def _as_quarantined(fragments: pl.DataFrame, source: str) -> pl.DataFrame:
    return fragments.select(
        *CANDLE_SCHEMA, pl.lit(reasons.FRAGMENT).alias("reason"), pl.lit(source).alias("source"), "line"
    )


def _upsert(
    path: Path, accepted: pl.DataFrame, flat: pl.DataFrame, store: Store, step: ImportStep | None
) -> UpsertCounts:
    candles = accepted.select(*CANDLE_SCHEMA, pl.lit(False).alias("filled"), "widened")
    if not flat.is_empty():
        marked = flat.with_columns(pl.lit(True).alias("filled"), pl.lit(False).alias("widened"))
        candles = pl.concat([candles, marked.select(candles.columns)]).sort(_KEY)
    total = UpsertCounts()
    for start in range(0, candles.height, _BLOCK):
        counts = store.candles.upsert(candles[start : start + _BLOCK])
        total = UpsertCounts(
            total.inserted + counts.inserted,
            total.unchanged + counts.unchanged,
            total.replaced + counts.replaced,
            total.revised + counts.revised,
        )
        if step is not None:
            step(path, min(start + _BLOCK, candles.height), candles.height)
    return total


def _report(
    path: Path,
    height: int,
    checked: CheckedCandles,
    choice: GridChoice,
    accepted: pl.DataFrame,
    quarantined: pl.DataFrame,
    gaps: tuple[Gap, ...],
    filled: int,
    counts: UpsertCounts,
) -> ImportReport:
    by_reason = dict(quarantined["reason"].value_counts(sort=True).iter_rows())
    series = accepted.select(SERIES_COLUMNS).unique(maintain_order=True)
    error = None
    if accepted.is_empty() and by_reason:
        [(reason, count), *others] = by_reason.items()
        mend = MENDS.get(reason)
        error = (
            f"{path}: none of its {height:,} rows was accepted: {reason} ({count:,})"
            + "".join(f", {other} ({times:,})" for other, times in others)
            + ("" if mend is None else f"; {mend}")
        )
    elif accepted.is_empty():
        error = f"{path}: none of its {height:,} rows has a price"
    return ImportReport(
        path,
        series=tuple(series_of(*names) for names in series.iter_rows()),
        accepted=accepted.height,
        untraded=checked.untraded,
        filled=filled,
        widened=int(accepted["widened"].sum()),
        inserted=counts.inserted,
        unchanged=counts.unchanged,
        replaced=counts.replaced,
        revised=counts.revised,
        quarantined=by_reason,
        gaps=gaps,
        notes=(*checked.notes, *choice.notes, *checked.wrong_timeframes),
        error=error,
    )
