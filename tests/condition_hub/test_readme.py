"""``clients/python/README.md``: its Python runs as printed, with a hub that is served."""

import ast
import asyncio
import inspect
import re
from datetime import timedelta

import polars as pl
import pytest

from condition_hub import public
from tests.condition_hub.blocking_source import ROOT
from tests.condition_hub.conftest import DAY
from tests.condition_hub.served_hub import ServedHub

PAGE = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CRASH = (DAY, DAY + timedelta(hours=3))


async def run(block: str, names: dict[str, object]) -> None:
    answer = eval(compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(answer):
        await answer


async def test_the_page_runs(
    hub: ServedHub, hourly: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUB_API_URL", hub.url)
    monkeypatch.setenv("HUB_API_KEY", hub.key())
    names: dict[str, object] = {}
    first, *others = BLOCKS
    bot = asyncio.create_task(asyncio.to_thread(asyncio.run, run(first, names)))
    while not (hub.streams_of("alice") or bot.done()):
        await asyncio.sleep(0.05)
    await asyncio.to_thread(hub.advance, hourly.filter(pl.col("open_time").is_between(*CRASH)))
    await bot
    for block in others:
        # Webhooks lead to public addresses; this one is one, and nothing is sent to it.
        await run(block.replace("bot.example.com", "93.184.216.34"), names)
    printed = capsys.readouterr().out
    for promised in (
        r"^\d+ times on \d+ candles$",
        r"^BTCUSDT \d+ [\d.]+ [0-9a-f]{32}:\d+$",
        r"^grid_bot_7 [0-9a-f]{32} active$",
        r"^BINANCE:BTCUSDT 1h: rsi\(14\) < 20$",
        r"did you mean rsi",
        r"^BINANCE:BTCUSDT 1h: rsi\(14\) < 39 \d+$",
        r"^422 .*rsj",
        r"^create$",
        r"^active \['[0-9a-f]{32}', '[0-9a-f]{32}'\]$",
        r"discord",
    ):
        assert re.search(promised, printed, re.MULTILINE), promised


def test_every_error_is_in_the_table() -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*$", PAGE, re.MULTILINE))))
    errors = {name for name in public.__all__ if inspect.isclass(kind := getattr(public, name))
              and issubclass(kind, Exception)}  # fmt: skip
    assert errors - named == {"HubError", "ApiError"}
