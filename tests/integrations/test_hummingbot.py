"""The controller of ``docs/hummingbot.md`` turns each trigger of a hub into one signal.

hummingbot is not needed: its two base classes are replaced by what their constructors do.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest

from common.clock import ReplayClock
from condition_hub import ApiRefused
from tests.condition_hub.served_hub import ServedHub, open_hub
from tests.condition_hub.test_quickstart import DAY, demo_candles

PAGE = Path(__file__).parents[2].joinpath("docs", "hummingbot.md").read_text(encoding="utf-8")
RISES, FALLS = "DEMOUSDT 1m: every(close > open)", "DEMOUSDT 1m: every(close < open)"


class ControllerBase:
    """What hummingbot's controllers have when they are made."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.processed_data: dict[str, Any] = {}


@pytest.fixture
def hub(tmp_path: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedHub]:
    with open_hub(tmp_path, clock) as made, made.serving():
        made.store.candles.upsert(demo_candles(-5, 0))
        monkeypatch.setenv("HUB_API_URL", made.url)
        monkeypatch.setenv("HUB_API_KEY", made.key("alice"))
        yield made


def controller(monkeypatch: pytest.MonkeyPatch, **config: str) -> Any:
    """The page's controller."""
    base = ModuleType("directional_trading_controller_base")
    base.__dict__.update(
        DirectionalTradingControllerBase=ControllerBase, DirectionalTradingControllerConfigBase=SimpleNamespace
    )
    parts = ("hummingbot", "strategy_v2", "controllers")
    for depth in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:depth]), ModuleType(parts[depth - 1]))
    monkeypatch.setitem(sys.modules, ".".join((*parts, base.__name__)), base)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    return names["HubV1Controller"](names["HubV1ControllerConfig"](id="hummer", **config))


def falling(minute: int) -> pl.DataFrame:
    return demo_candles(minute, minute + 1).with_columns(open=pl.lit(2.0), close=pl.lit(1.0))


async def test_a_trigger_is_a_signal_once(hub: ServedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = controller(monkeypatch, buy_condition=RISES, sell_condition=FALLS)
    signals = []
    for frame in (None, demo_candles(0, 1), None, falling(1), None):
        if frame is not None:
            await asyncio.to_thread(hub.advance, frame, "1m")
        await made.update_processed_data()
        signals.append(made.processed_data["signal"])
    await made.hub.close()
    assert signals == [0, 1, 0, -1, 0]
    assert hub.clock.now_ms() == int((DAY + timedelta(minutes=2)).timestamp() * 1000)


async def test_what_is_refused_is_asked_for_again(hub: ServedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = controller(monkeypatch, buy_condition=RISES, sell_condition="DEMOUSDT 1m: close <")
    for _ in range(2):
        with pytest.raises(ApiRefused, match="422"):
            await made.update_processed_data()
        assert made.processed_data["signal"] == 0
    made.config.sell_condition = FALLS
    await made.update_processed_data()
    await made.hub.close()
    assert len(hub.store.registry.subscriptions_of("alice")) == 2
