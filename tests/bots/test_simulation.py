"""Simulations on the real candles of the crash of 5 August 2024."""

from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import pytest

from analysis import scan
from bots import dca, grid, market_making, trend
from bots.brokers.paper import PaperAccount, PaperBroker
from bots.machine import CandleClosed, ConditionFired
from bots.orders import MarketRules
from bots.running import Runner
from bots.simulation import Simulation, simulate
from common.errors import BotConfigError, CandleFrameError, CandlesMissing
from indicators import compute

MARKET = MarketRules(tick_size="0.01", lot_size="0.00001", min_notional=5)
OVERSOLD = "BTCUSDT 1h: rsi(14) crosses_below 30"
DCA = dca.Config(
    base_order_volume=100, safety_order_volume=50, max_safety_orders=5, safety_order_step_percentage=1,
    martingale_step_coefficient="1.5", martingale_volume_coefficient="1.5", take_profit="1.5",
)  # fmt: skip
TREND = trend.Config(order_volume=1000, stop_atr_multiplier=3, trailing_atr_multiplier=3)
CROSSINGS = [
    ("BTCUSDT 1h: ema(12) crosses_above ema(26)", "entry"),
    ("BTCUSDT 1h: ema(12) crosses_below ema(26)", "opposite"),
]


@pytest.fixture(scope="module")
def crash(sample: pl.DataFrame) -> pl.DataFrame:
    """BTCUSDT from 4 to 7 August, and the 1h candles before it that indicators need."""
    start, end = pl.datetime(2024, 8, 4, time_zone="UTC"), pl.datetime(2024, 8, 8, time_zone="UTC")
    five = (pl.col("timeframe") == "5m") & pl.col("open_time").is_between(start, end, closed="left")
    hourly = (pl.col("timeframe") == "1h") & (pl.col("open_time") < end)
    return sample.filter((pl.col("symbol") == "BTCUSDT") & (five | hourly))


def run(bot: Any, candles: pl.DataFrame, conditions: Any = (), **rest: Any) -> Simulation[Any]:
    return simulate(bot, candles, conditions, symbol="BTCUSDT", **rest)


def test_a_dca_bot_buys_the_crash_and_sells_the_recovery(crash: pl.DataFrame) -> None:
    simulation = run(dca.DcaBot("d", DCA, MARKET), crash, [(OVERSOLD, "entry")])
    (deal,) = simulation.deals.filter(pl.col("closed").dt.day() >= 5).head(1).iter_rows(named=True)
    assert deal["reason"] == "take profit"
    assert deal["profit"] > 0
    purposes = simulation.fills["purpose"].to_list()
    assert purposes[0] == "base"
    assert {"safety 1", "safety 2", "take profit"} <= set(purposes)
    assert simulation.profit == simulation.state.quote + simulation.state.base * simulation.state.price
    assert abs(float(simulation.fills["fee"].sum()) - float(simulation.fees)) < 1e-9


def test_figures_agree_with_each_other(crash: pl.DataFrame) -> None:
    simulation = run(trend.TrendBot("t", TREND, MARKET), crash, CROSSINGS, quote=5_000)
    closed = float(simulation.deals["profit"].sum())
    open_deal = simulation.state.deal
    rest = float(open_deal.value_at(simulation.state.price, Decimal(0))) if open_deal else 0.0
    assert abs(float(simulation.profit) - closed - rest) < 1e-6
    last = simulation.equity.row(-1, named=True)
    assert abs(last["gain"] - float(simulation.profit)) < 1e-9
    assert simulation.account.quote - 5_000 == simulation.state.quote
    assert set(simulation.fills["client_id"]) <= set(simulation.orders["client_id"])
    assert simulation.equity.height == crash.filter(pl.col("timeframe") == "5m").height


def test_a_bot_sees_the_range_that_the_hub_computes(crash: pl.DataFrame) -> None:
    simulation = run(trend.TrendBot("t", TREND, MARKET), crash, CROSSINGS)
    hourly = crash.filter(pl.col("timeframe") == "1h").sort("open_time")
    values = compute("atr", {name: hourly[name].to_numpy() for name in ("high", "low", "close")}, period=14)["value"]
    assert simulation.state.atr == Decimal(repr(float(values[-1])))
    early = run(trend.TrendBot("t", TREND, MARKET), hourly.head(40), [("BTCUSDT 1h: every(close > 0)", "entry")])
    assert early.notes["text"][0] == "no deal: there is no atr(14)@1h yet"
    assert early.orders.height


def test_what_fired_before_the_first_candle_is_not_the_bots(crash: pl.DataFrame) -> None:
    simulation = run(dca.DcaBot("d", DCA, MARKET), crash, [(OVERSOLD, "entry")])
    first = crash.filter(pl.col("timeframe") == "5m")["open_time"].sort()[0]
    fired = scan(OVERSOLD, crash)["close_time"].to_list()
    assert fired[0] < first
    assert simulation.orders["time"][0] == next(time for time in fired if time > first)


def test_a_grid_and_a_market_maker_trade_the_crash(crash: pl.DataFrame) -> None:
    config = grid.Config(48_000, 62_000, 29, counted="lines", quantity_per_grid=100)
    simulation = run(grid.GridBot("g", config, MARKET), crash)
    assert simulation.state.sold == simulation.deals.height > 20
    assert abs(float(simulation.deals["profit"].sum()) - float(simulation.state.grid_profit)) < 1e-9
    quoting = market_making.Config(
        base_amount="0.1", quote_amount=6_000, order_amount="0.01", bid_spread="0.3", ask_spread="0.3"
    )
    made = run(market_making.MarketMakingBot("m", quoting, MARKET), crash, base="0.1", quote=6_000)
    assert made.fills.height > 20
    assert made.account.base == quoting.base_amount + made.state.base >= 0


def test_a_bot_that_is_stepped_live_has_the_same_orders(crash: pl.DataFrame) -> None:
    """What an executor does with stored candles and events, one by one, stored and read again between them."""
    simulation = run(dca.DcaBot("d", DCA, MARKET), crash, [(OVERSOLD, "entry")])
    fired = {row["close_time"]: row for row in scan(OVERSOLD, crash).iter_rows(named=True)}
    bot, account, state = dca.DcaBot("d", DCA, MARKET), PaperAccount(quote=Decimal(1_000_000)), dca.State()
    five = crash.filter(pl.col("timeframe") == "5m").sort("open_time")
    for row in five.iter_rows(named=True):
        broker = PaperBroker(MARKET, msgspec.json.decode(msgspec.json.encode(account), type=PaperAccount))
        runner = Runner(bot, broker, msgspec.json.decode(msgspec.json.encode(state), type=dca.State))
        close = row["open_time"] + pl.select(pl.duration(minutes=5)).item()
        values: dict[str, Any] = {name: Decimal(repr(row[name])) for name in ("open", "high", "low", "close", "volume")}
        candle = CandleClosed(time_ms=int(close.timestamp() * 1000), **values)
        broker.move(candle)
        runner.catch_up()
        runner.deliver(candle)
        if (trigger := fired.get(close)) is not None:
            price = Decimal(repr(trigger["price"]))
            runner.deliver(ConditionFired(candle.time_ms, trigger["condition_id"], "entry", price))
        account, state = broker.account, runner.state
    assert state == simulation.state
    assert account == simulation.account


def test_the_same_candles_give_the_same_simulation(crash: pl.DataFrame) -> None:
    first, second = (
        run(dca.DcaBot("d", DCA, MARKET), candles, [(OVERSOLD, "entry")]) for candles in (crash, crash.reverse())
    )
    assert first.state == second.state
    assert first.fills.equals(second.fills)


def test_short_bots_have_the_high_first(crash: pl.DataFrame) -> None:
    config = dca.Config(base_order_volume=100, strategy="short", take_profit=2)
    overbought = [("BTCUSDT 1h: rsi(14) > 55", "entry")]
    simulation = run(dca.DcaBot("s", config, MARKET), crash, overbought, base=1, path="high_first")
    assert simulation.deals["direction"].to_list() == ["short"] * simulation.deals.height
    assert simulation.deals.height


def test_what_is_missing_is_said(crash: pl.DataFrame, sample: pl.DataFrame) -> None:
    bot = grid.GridBot("g", grid.Config(1, 2, 3, counted="lines", quantity_per_grid=10), MARKET)
    with pytest.raises(CandlesMissing, match="no candles of BINANCE:ETHUSDT"):
        simulate(bot, crash, symbol="ETHUSDT")
    with pytest.raises(BotConfigError, match="symbol is needed"):
        simulate(bot, sample.filter(pl.col("timeframe") == "1h"))
    with pytest.raises(CandleFrameError, match="no column symbol, and no condition names one"):
        simulate(bot, crash.drop("symbol"))
