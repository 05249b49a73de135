"""Series as files: their candles as the hub judges them, stored or built, with the time at which each closes."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from candles.series import SeriesReader
from common.errors import CandleFileError, CandlesMissing
from registry.groups import Series

FORMATS = {".csv": "CSV", ".parquet": "Parquet", ".jsonl": "JSON Lines"}
"""The end of a file's name -> what is written."""

_BLOCK = 65_536
"""Slots that are read at once."""


def exported(
    reader: SeriesReader, series: Series, since_ms: int | None = None, until_ms: int | None = None
) -> Iterator[pl.DataFrame]:
    """A series in blocks, oldest candle first: those that open from one time on and before another.

    The columns are ``exchange symbol timeframe open_time close_time open high low close volume``. Raises
    :class:`common.errors.CandlesMissing` for a series without candles.
    """
    extent = reader.extent(series) if reader.exists(series) else None
    if extent is None:
        raise CandlesMissing(f"no candles of {series}; the series with candles: hub candles list")
    calendar = reader.calendars.of(series)
    slots = calendar.slots
    first = slots.number(extent[0] if since_ms is None else max(extent[0], since_ms))
    stop_ms = extent[1] + 1 if until_ms is None else min(extent[1] + 1, until_ms)
    for number in range(first, slots.number(stop_ms - 1) + 1, _BLOCK):
        block = reader.between(series, slots.open(number), min(slots.open(number + _BLOCK), stop_ms))
        if since_ms is not None:
            block = block.filter(pl.col("open_time").dt.epoch("ms") >= since_ms)
        if block.is_empty():
            continue
        closes = calendar.close(block["open_time"].dt.epoch("ms").to_numpy())
        place = block.columns.index("open_time") + 1
        yield block.insert_column(place, pl.Series("close_time", closes).cast(block.schema["open_time"]))


def check_format(path: Path) -> None:
    """Raises :class:`common.errors.CandleFileError` if the name of a file does not say in which format to write it."""
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in FORMATS.items())
        raise CandleFileError(f"{path}: the end of the name says what to write; use one of {known}")


def write(path: Path, blocks: Iterator[pl.DataFrame]) -> int:
    """Write blocks to a file, which appears under its name once it is complete; returns the number of candles.

    Raises :class:`common.errors.CandleFileError` as :func:`check_format`, and if the file cannot be written.
    """
    check_format(path)
    draft = path.with_name(f".{path.name}.part")
    try:
        if path.suffix.lower() == ".parquet":
            frames = list(blocks)
            written = sum(frame.height for frame in frames)
            if frames:
                pl.concat(frames).write_parquet(draft)
        else:
            written = _write_lines(draft, blocks, as_json=path.suffix.lower() == ".jsonl")
        if written:
            draft.replace(path)
    except OSError as error:
        raise CandleFileError(f"cannot write {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return written


def _write_lines(path: Path, blocks: Iterator[pl.DataFrame], *, as_json: bool) -> int:
    written = 0
    with path.open("wb") as file:
        for block in blocks:
            if as_json:
                block.write_ndjson(file)
            else:
                block.write_csv(file, include_header=written == 0, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")
            written += block.height
    return written
