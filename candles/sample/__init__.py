"""Real candles to try the hub with; the ``README.md`` in this folder says where they come from."""

from pathlib import Path

_HERE = Path(__file__).parent

SAMPLE_FILES: tuple[Path, ...] = (
    _HERE / "binance_spot_5m_2024-07-20_2024-08-20.parquet",
    _HERE / "binance_spot_1h_2024.parquet",
)
"""Eight Binance spot pairs: a month of 5m candles around the crash of 2024-08-05, and eight months of 1h candles."""
