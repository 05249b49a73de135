"""What the candle tests share: small files, and the folder of real broken ones where it exists."""

from collections.abc import Callable
from pathlib import Path

import pytest

_RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"


@pytest.fixture
def raw_folder() -> Path:
    """Real files with their defects. They may not be shipped, so they are absent from a plain checkout."""
    if not _RAW.is_dir():
        pytest.skip(f"no folder of real broken files at {_RAW}")
    return _RAW


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(text, name)`` -> the path of a small file."""

    def _write(content: str | bytes, name: str = "BTCUSDT-1h.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write
