"""Reads a file as the import does, with its options in the caller's spelling."""

from pathlib import Path
from typing import Any

from candles.files.options import ImportOptions
from candles.files.raw import RawCandles
from candles.files.reading import read_candles


def read(path: Path, **options: Any) -> RawCandles:
    """The rows of a file."""
    return read_candles(path, ImportOptions.parse(**options))
