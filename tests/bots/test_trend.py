"""A trend bot: its stops, and what it does about the opposite signal."""

from typing import Any

import pytest

from bots import trend
from bots.orders import MarketRules
from common.errors import BotConfigError
from tests.bots.bench import Bench

FREE = MarketRules(tick_size="0.01", lot_size="0.0001", min_notional=1, maker_fee=0, taker_fee=0)


def bench(*, base: Any = 0, **changes: Any) -> Bench[trend.State]:
    config = trend.Config(**{"order_volume": 1000, **changes})
    return Bench(trend.TrendBot("bot", config, FREE), base=base)


def stop(run: Bench[trend.State]) -> Any:
    assert run.state.deal is not None
    return run.state.deal.stop


def test_the_initial_stop_is_some_ranges_below_the_entry() -> None:
    run = bench(stop_atr_multiplier=3).candle(100, atr=2).fire().candle(101)
    assert (run.status, stop(run)) == ("active", 95)
    run.candle(101, 101, "95.01", 96)
    assert run.status == "active"
    run.candle(96, 97, 95, 97).candle(97)
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.reason == "stop"


def test_of_two_stops_the_nearer_one_counts() -> None:
    run = bench(stop_atr_multiplier=3, stop_loss_percentage=5).candle(100, atr=1).fire().candle(100)
    assert stop(run) == 97


def test_the_stop_moves_only_on_candles_of_its_timeframe_and_never_back() -> None:
    run = bench(stop_atr_multiplier=3, trailing_atr_multiplier=2).candle(100, atr=2).fire().candle(100)
    assert stop(run.candle(110)) == 94
    assert stop(run.candle(110, atr=2)) == 106
    assert run.status == "trailing"
    assert stop(run.candle(107, atr=2)) == 106


def test_a_chandelier_stop_hangs_from_the_best_price() -> None:
    run = bench(trailing_atr_multiplier=3, trailing_from="extreme").candle(100, atr=2).fire().candle(100)
    run.candle(100, 120, 100, 115).candle(115, 116, 114, "114.5", atr=2)
    assert stop(run) == 114


def test_a_low_meets_the_stop_as_it_stood_before_the_candle() -> None:
    run = bench(trailing_atr_multiplier=1).candle(100, atr=2).fire().candle(100).candle(100, atr=2)
    assert stop(run) == 98
    run.candle(100, 110, 99, 110, atr=2)
    assert (run.status, stop(run)) == ("trailing", 108)


def test_no_deal_begins_without_the_range_that_its_stop_needs() -> None:
    run = bench(stop_atr_multiplier=3).candle(100).fire()
    assert run.status == "waiting"
    assert "there is no atr(14)@1h yet" in run.notes[-1]


@pytest.mark.parametrize(("policy", "status"), [("ignore", "active"), ("close", "waiting"), ("reverse", "active")])
def test_the_opposite_signal(policy: str, status: str) -> None:
    run = bench(opposite_signal=policy, base=100).candle(100).fire().candle(100)
    run.fire("opposite", "o").candle(101).candle(101)
    assert run.status == status
    if policy == "reverse":
        assert run.state.deal is not None
        assert run.state.base == -run.state.deal.quantity
        run.fire("entry", "e").candle(90).candle(90)
        assert [(order.side, order.purpose) for order in run.placed] == [
            ("buy", "base"), ("sell", "close"), ("sell", "base"), ("buy", "close"), ("buy", "base"),
        ]  # fmt: skip
        assert run.state.quote + run.state.base * 90 > 0


def test_an_exit_condition_ends_a_deal_and_a_cooldown_follows() -> None:
    run = bench(cooldown=120).candle(100).fire().candle(100).fire("exit", "x").candle(100)
    assert run.status == "cooldown"
    assert run.candle(100).candle(100).fire("entry", "e").status == "entering"


def test_a_deal_has_a_time_limit() -> None:
    run = bench(time_limit=120).candle(100).fire().candle(100).candle(100).candle(100)
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.reason == "time limit"


def test_a_stop_of_a_short_deal_is_above() -> None:
    run = bench(direction="short", stop_atr_multiplier=3, base=100).candle(100, atr=2).fire().candle(100)
    assert stop(run) == 106
    run.candle(100, 106, 100, 101).candle(101)
    assert run.state.last_deal is not None
    assert run.state.last_deal.deal.profit < 0


def test_commands_are_those_of_every_bot() -> None:
    run = bench().candle(100).command("pause").fire()
    assert run.status == "paused"
    run.command("resume").fire("entry", "e").candle(100).command("kill").candle(100)
    assert run.now("status", "base") == ("closed", 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timeframe": "7m"}, "timeframe: timeframe '7m' is not supported"),
        ({"trailing_from": "extreme"}, "needs a trailing_atr_multiplier"),
        ({"stop_loss_percentage": 100}, "stop_loss_percentage: Input should be less than 100"),
        ({"order_volum": 3}, "did you mean order_volume"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BotConfigError, match=message):
        bench(**changes)


def test_the_configurations_of_the_mission_are_read() -> None:
    config = trend.Config.parse({"baseOrderSize": 100, "symbol": "BTCUSDT", "timeframe": "60m"})
    assert config == trend.Config(order_volume=100, timeframe="1h")
