"""freqtrade itself, in an environment of its own, with a strategy of this repository's mixin."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest

from common.candle_columns import VALUES

ROOT = Path(__file__).resolve().parents[2]
MIXIN = ROOT / "integrations" / "freqtrade"
STRATEGIES = MIXIN / "examples"


def freqtrade_program() -> Path:
    """freqtrade's command, of the environment that ``HUB_TEST_FREQTRADE`` names; skips the test without one."""
    place = os.environ.get("HUB_TEST_FREQTRADE")
    if not place:
        pytest.skip("HUB_TEST_FREQTRADE names no environment with freqtrade 2026.9 (python3.11 -m venv, pip install)")
    return Path(place) / "bin" / "freqtrade"


def write_config(folder: Path, url: str, pairs: list[str], timeframe: str, sockets: str = "/stream/ws") -> Path:
    """A configuration that asks another address in place of Binance's public ones, as docs/exchange.md says;
    ``sockets`` is the path of its websockets."""
    urls = {"public": f"{url}/api/v3", "ws": {"spot": f"{url.replace('http', 'ws', 1)}{sockets}"}}
    ccxt = {"urls": {"api": urls}, "options": {"fetchMarkets": {"types": ["spot"]}}}
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    config = {
        "bot_name": "tested", "dry_run": True, "dry_run_wallet": 10_000, "stake_currency": "USDT",
        "stake_amount": 100, "max_open_trades": len(pairs), "timeframe": timeframe, "fee": 0.001,
        "exchange": {"name": "binance", "ccxt_config": ccxt, "pair_whitelist": pairs},
        "pairlists": [{"method": "StaticPairList"}], "entry_pricing": pricing, "exit_pricing": pricing,
        "internals": {"process_throttle_secs": 2}, "initial_state": "running",
    }  # fmt: skip
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def environment(hub_url: str, key: str) -> dict[str, str]:
    """Where the hub is, who asks, and where the mixin is."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    return {**kept, "HUB_API_URL": hub_url, "HUB_API_KEY": key, "PYTHONPATH": str(MIXIN)}


def write_candles(folder: Path, candles: pl.DataFrame, pairs: list[str], timeframe: str) -> None:
    """Candle files as ``freqtrade download-data`` makes them."""
    folder.mkdir(parents=True)
    for pair in pairs:
        own = candles.filter((pl.col("symbol") == pair.replace("/", "")) & (pl.col("timeframe") == timeframe))
        frame = own.sort("open_time").select(pl.col("open_time").alias("date"), *VALUES)
        frame.write_ipc(folder / f"{pair.replace('/', '_')}-{timeframe}.feather", compression="lz4")


@contextmanager
def trading(folder: Path, config: Path, strategy: str, env: Mapping[str, str]) -> Iterator[Path]:
    """A dry run until the end of the block; the path of its database."""
    (folder / "user_data").mkdir()
    database = folder / "trades.sqlite"
    with (folder / "freqtrade.log").open("wb") as log:
        process = subprocess.Popen(
            _command(
                *("trade", "--dry-run", "--config", config, "--userdir", folder / "user_data"),
                *("--strategy-path", STRATEGIES, "--strategy", strategy, "--db-url", f"sqlite:///{database}"),
            ),
            env=dict(env),
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield database
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def backtest(
    folder: Path, config: Path, data: Path, strategies: list[str], timerange: str, env: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Strategy -> its trades."""
    (folder / "user_data").mkdir()
    subprocess.run(
        _command(
            *("backtesting", "--config", config, "--userdir", folder / "user_data", "--datadir", data),
            *("--strategy-path", STRATEGIES, "--strategy-list", *strategies, "--timerange", timerange),
            *("--cache", "none", "--export", "trades"),
        ),
        env=dict(env),
        check=True,
        cwd=folder,
    )
    archive = max((folder / "user_data" / "backtest_results").glob("*.zip"))
    with ZipFile(archive) as opened:
        name = next(each for each in opened.namelist() if each == f"{archive.stem}.json")
        results = json.loads(opened.read(name))["strategy"]
    return {strategy: results[strategy]["trades"] for strategy in strategies}


def _command(*words: object) -> list[str]:
    return [str(freqtrade_program()), *map(str, words)]
