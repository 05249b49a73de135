"""What the candle tests share: small files, the folder of real broken ones where it exists, patience with sockets."""

from collections.abc import Callable
from pathlib import Path

import pytest

import candles.arrivals
from tests.waiting import PATIENCE_S

_SHARED = Path(__file__).parents[2].parent / "shared"
_RAW = _SHARED / "data" / "raw"
_CASES = _SHARED / "cases"


@pytest.fixture
def raw_folder() -> Path:
    """Real files with their defects. They may not be shipped, so they are absent from a plain checkout."""
    if not _RAW.is_dir():
        pytest.skip(f"no folder of real broken files at {_RAW}")
    return _RAW


@pytest.fixture
def cases() -> Path:
    """Small files in the shape of public ones, as people send them; absent from a plain checkout like the others."""
    if not _CASES.is_dir():
        pytest.skip(f"no folder of cases at {_CASES}")
    return _CASES


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(text, name)`` -> the path of a small file."""

    def _write(content: str | bytes, name: str = "BTCUSDT-1h.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Websockets get as long as a test may hang before REST is asked: a starved machine is not a silent exchange."""
    monkeypatch.setattr(candles.arrivals, "_SOCKET_GRACE_S", PATIENCE_S)
