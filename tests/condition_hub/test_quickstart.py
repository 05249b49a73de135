"""``docs/quickstart.md``: its Python runs as printed, against the real API; the four examples of bots are untouched."""

import ast
import asyncio
import inspect
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from registry import Condition
from tests.condition_hub.served_hub import ServedHub

PAGE = Path(__file__).parents[2].joinpath("docs", "quickstart.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DAY = datetime(2024, 8, 5, tzinfo=UTC)
EXAMPLES = {
    "# Example: DCA Bot with RSI condition": "dca",
    "# In DCA Bot creation": "dca",
    "# Grid Bot with multiple conditions": "grid",
    "# Trend Bot with MACD crossover": "trend",
}
"""First line -> kind of bot, of the examples that bot developers were given."""


def example(first_line: str) -> str:
    (block,) = [block for block in BLOCKS if block.startswith(first_line)]
    return block


def test_the_examples_are_printed_as_they_were_given() -> None:
    printed = "".join(map(example, EXAMPLES))
    assert sha256(printed.encode()).hexdigest() == "a88701f0bb31bb37d852ee128dbbcb7e87d92ff01765e64b3ad2e088ec1d69fd"


def runnable() -> Iterator[str]:
    """The blocks in order; the context that they need is put around them."""
    for block in BLOCKS:
        kind = next((kind for line, kind in EXAMPLES.items() if block.startswith(line)), None)
        if kind in ("grid", "trend"):
            yield 'with defaults(symbol="BTCUSDT", timeframe="1h"):\n' + textwrap.indent(block, "    ")
        else:
            yield block


async def run(block: str, names: dict[str, object]) -> None:
    code = compile(block, "docs/quickstart.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    answer = eval(code, names)
    if inspect.iscoroutine(answer):
        await asyncio.wait_for(answer, 60)


def demo_candles(first: int, last: int) -> pl.DataFrame:
    """Made-up 1m candles, like those of the page's loop."""
    opens = [DAY + timedelta(minutes=minute) for minute in range(first, last)]
    prices = {"open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "volume": 10.0}
    frame = pl.DataFrame({"open_time": opens}).with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")))
    named = {"exchange": "BINANCE", "symbol": "DEMOUSDT", "timeframe": "1m"}
    return frame.select(
        *(pl.lit(value).alias(name) for name, value in named.items()),
        "open_time",
        *(pl.lit(value).alias(name) for name, value in prices.items()),
    )


async def test_from_nothing_to_a_first_trigger(
    hub: ServedHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HUB_API_URL", hub.url)
    monkeypatch.setenv("HUB_API_KEY", hub.key("alice"))
    hub.store.candles.upsert(demo_candles(-5, 0))
    names: dict[str, object] = {}
    blocks = list(runnable())
    for block in blocks:
        running = asyncio.create_task(run(block, names))
        if "client.triggers" in block:
            # The loop in the page's third terminal: a candle every minute, each of them judged.
            minute = 0
            while not running.done():
                await asyncio.to_thread(hub.advance, demo_candles(minute, minute + 1), "1m")
                minute += 1
                await asyncio.sleep(0.1)
        await running
    subscriptions = hub.store.registry.subscriptions_of("alice")
    assert {(one.bot_id, one.bot_type, one.condition_id) for one in subscriptions} == {
        (bot, kind, Condition.parse(text).id)
        for bot, kind, text in (
            ("dca_bot_123", "dca", "BTCUSDT 1h: rsi(14) crosses_below 30"),
            ("dca_bot_124", "dca", "BTCUSDT 1h: rsi(14) < 30"),
            ("dca_bot_124", "dca", "BTCUSDT 1h: close > sma(200)"),
            ("dca_bot_124", "dca", "BTCUSDT 1h: rsi(14) crosses_below 25"),
            ("bot_7", "grid", "BTCUSDT 1h: rsi(14) < 30"),
            ("bot_7", "grid", "BTCUSDT 1h: rsi(14) > 70"),
            ("bot_7", "trend", "BTCUSDT 1h: macd.histogram crosses_above 0"),
            ("first_bot", "dca", "DEMOUSDT 1m: every(close > open)"),
        )
    }
    assert "/bot_config/dcaRules is {...}, as in a printed example; sent as an empty object" in caplog.text
    shown = capsys.readouterr().out
    assert re.search(r"^\d+ times on \d+ candles, [\d.]+ a day$", shown, re.MULTILINE)
    assert re.search(r"^DEMOUSDT \d+ 2.0 [0-9a-f]{32}:\d+$", shown, re.MULTILINE)
