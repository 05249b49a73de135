"""What the executor promises beyond the simulation: commands, limits over all markets, and trouble of one bot alone."""

from typing import Any

import polars as pl
import pytest

from bots.dca import DcaBot
from tests.bots.executor.lab import Lab

AT_ONCE: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 1000, "takeProfit": 50, "start": "at_once",
}  # fmt: skip


def test_commands_are_obeyed_once_also_after_a_restart(lab: Lab, crash: pl.DataFrame) -> None:
    lab.store.candles.upsert(crash.head(2))
    bot = lab.create(AT_ONCE)
    lab.arrive(crash.head(100))
    with lab.executor() as driven:
        driven.settle()
        assert lab.status(bot) == ["active"]
        lab.store.bots.give_command("kill", user_id="ann", bot_id=None, at_ms=lab.clock.now_ms())
        driven.settle()
        assert lab.status(bot) == ["closing"]
    lab.arrive(crash.head(120))
    for _ in range(2):
        with lab.executor() as driven:
            driven.settle()
    assert lab.status(bot) == ["closed"]
    assert lab.told(bot)["text"].to_list().count("command: kill") == 1
    assert lab.told(bot, "orders")["purpose"].to_list() == ["base", "take profit", "close"]
    newest = lab.store.bots.bot("ann", "b1")
    assert newest is not None
    assert newest.life == "ended"


def test_deals_over_all_markets_are_limited(lab: Lab, sample: pl.DataFrame, crash: pl.DataFrame) -> None:
    both = sample.filter(
        pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"])
        & (pl.col("timeframe") == "5m")
        & pl.col("open_time").is_in(crash["open_time"].head(200).implode())
    )
    lab.store.candles.upsert(both.sort("open_time").head(2))
    one = lab.create(AT_ONCE | {"symbol": None, "pairs": ["BTCUSDT", "ETHUSDT"]}, bot_id="one")
    two = lab.create(AT_ONCE | {"symbol": None, "pairs": ["BTCUSDT", "ETHUSDT"], "maxActiveDeals": 2}, bot_id="two")
    lab.arrive(both)
    with lab.executor() as driven:
        driven.settle()
    assert sorted(lab.status(one)) == ["active", "waiting"]
    assert lab.status(two) == ["active", "active"]


def test_a_bot_that_fails_stops_nobody_else(
    lab: Lab, crash: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.store.candles.upsert(crash.head(2))
    broken, well = lab.create(AT_ONCE, bot_id="broken"), lab.create(AT_ONCE, bot_id="well")
    lab.arrive(crash.head(50))
    step = DcaBot.step

    def fail_for_one(self: DcaBot, state: Any, event: Any) -> Any:
        if self.bot_id == first_id:
            raise ValueError("secret of its configuration")
        return step(self, state, event)

    with lab.executor() as driven:
        driven.executor.look()
        crews = driven.executor._bots.crews
        first_id = crews[broken.number].machines[0].machine.bot_id
        monkeypatch.setattr(DcaBot, "step", fail_for_one)
        lab.arrive(crash.head(80))
        driven.settle()
    assert lab.status(well) == ["active"]
    assert f"bot {broken.number} failed (ValueError at" in caplog.text
    assert "secret" not in caplog.text
