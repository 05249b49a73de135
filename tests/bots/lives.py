"""Random lives of bots: configurations, prices, triggers, commands, and the faults of a broker."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bots import dca, grid, market_making, trend
from bots.brokers.paper import PaperAccount, PaperBroker
from bots.brokers.protocol import Balances, BrokerReport, Past
from bots.machine import CandleClosed, Commanded, ConditionFired, MachineEvent
from bots.orders import MarketRules, Order
from tests.bots.bench import MINUTE_MS

MARKET = MarketRules(
    tick_size="0.01", lot_size="0.001", min_notional=1, maker_fee="0.001", taker_fee="0.0015"
)  # fmt: skip
BASE, QUOTE = Decimal(50), Decimal(20_000)
Bot = dca.DcaBot | grid.GridBot | trend.TrendBot | market_making.MarketMakingBot


@dataclass(frozen=True)
class Life:
    """A bot, what happens to it, and what its broker is like."""

    bot: Any
    events: tuple[MachineEvent, ...]
    broker: dict[str, Any]

    def open_broker(self) -> PaperBroker:
        return PaperBroker(MARKET, PaperAccount(base=BASE, quote=QUOTE), **self.broker)


def _percent(low: float, high: float) -> st.SearchStrategy[Decimal]:
    return st.decimals(str(low), str(high), places=1)


dca_configs = st.builds(
    lambda exits, **rest: dca.Config(**exits, **rest),
    exits=st.one_of(
        st.builds(lambda profit: {"take_profit": profit}, _percent(0.5, 8)),
        st.builds(
            lambda profit, lost: {"take_profit": profit, "trailing_deviation": lost}, _percent(1, 5), _percent(0.5, 3)
        ),
        st.builds(
            lambda first: {
                "take_profit_steps": [
                    {"amount_percentage": first, "profit_percentage": 1},
                    {"amount_percentage": 100 - first, "profit_percentage": 3},
                ]
            },
            st.integers(1, 99),
        ),
    ),
    base_order_volume=st.integers(50, 500),
    strategy=st.sampled_from(["long", "short"]),
    safety_order_volume=st.integers(20, 300),
    max_safety_orders=st.integers(0, 4),
    active_safety_orders_count=st.sampled_from([None, 1, 2]),
    safety_order_step_percentage=_percent(0.5, 4),
    martingale_step_coefficient=_percent(0.5, 2),
    martingale_volume_coefficient=_percent(0.5, 2),
    deviation_from=st.sampled_from(["base", "previous"]),
    safety_orders_by_condition=st.booleans(),
    stop_loss_percentage=st.none() | _percent(1, 20),
    cooldown=st.sampled_from([0, 60, 300]),
    start=st.sampled_from(["condition", "at_once"]),
)

grid_configs = st.builds(
    grid.Config,
    lower=st.integers(60, 95),
    upper=st.integers(100, 140),
    count=st.integers(3, 12),
    counted=st.sampled_from(["lines", "intervals"]),
    spacing=st.sampled_from(["arithmetic", "geometric"]),
    quantity_per_grid=st.integers(20, 300),
    fee_mode=st.sampled_from(["none", "widen_sell"]),
    max_active_buy_lines=st.sampled_from([None, 1, 3]),
    lower_stop_price=st.sampled_from([None, 50]),
    stop_action=st.sampled_from(["keep", "sell"]),
    trailing_up=st.booleans(),
)

trend_configs = st.builds(
    trend.Config,
    order_volume=st.integers(50, 2000),
    direction=st.sampled_from(["long", "short"]),
    opposite_signal=st.sampled_from(["ignore", "close", "reverse"]),
    stop_atr_multiplier=st.none() | _percent(0.5, 3),
    stop_loss_percentage=st.none() | _percent(1, 10),
    trailing_atr_multiplier=st.none() | _percent(0.5, 3),
    cooldown=st.sampled_from([0, 120]),
)

market_making_configs = st.builds(
    market_making.Config,
    base_amount=st.integers(0, 50),
    quote_amount=st.integers(100, 20_000),
    order_amount=_percent(0.1, 20),
    order_levels=st.integers(1, 4),
    order_level_spread=_percent(0, 2),
    bid_spread=_percent(0.1, 2),
    ask_spread=_percent(0.1, 2),
    inventory_skew_enabled=st.booleans(),
    order_refresh_time=st.sampled_from([60, 180]),
    filled_order_delay=st.sampled_from([0, 120]),
    order_refresh_tolerance_pct=_percent(0, 1),
)

BOTS: dict[str, st.SearchStrategy[Any]] = {
    "dca": st.builds(lambda config: dca.DcaBot("bot", config, MARKET), dca_configs),
    "grid": st.builds(lambda config: grid.GridBot("bot", config, MARKET), grid_configs),
    "trend": st.builds(lambda config: trend.TrendBot("bot", config, MARKET), trend_configs),
    "market_making": st.builds(
        lambda config: market_making.MarketMakingBot("bot", config, MARKET), market_making_configs
    ),
}


@st.composite
def events(draw: st.DrawFn, *, commands: bool = True) -> tuple[MachineEvent, ...]:
    """Candles that begin at 100 and go where they want, each with what fires or is commanded at its close."""
    happened: list[MachineEvent] = []
    price = Decimal(100)
    for minute in range(1, draw(st.integers(5, 25)) + 1):
        opening = price
        move, up, down = (draw(st.integers(low, high)) for low, high in ((-600, 600), (0, 300), (0, 300)))
        price = max((price * (10_000 + move) / 10_000).quantize(Decimal("0.01")), Decimal(1))
        high = (max(opening, price) * (10_000 + up) / 10_000).quantize(Decimal("0.01"))
        low = (min(opening, price) * (10_000 - down) / 10_000).quantize(Decimal("0.01"))
        volume = Decimal(draw(st.sampled_from([0, 1, 20, 1000, 1000, 1000])))
        readings = {"atr(14)@1h": Decimal(draw(st.integers(1, 5)))} if draw(st.booleans()) else {}
        time_ms = minute * MINUTE_MS
        happened.append(CandleClosed(time_ms, opening, high, low, price, volume, readings))
        for role in draw(st.sets(st.sampled_from(["exit", "opposite", "safety", "entry", "entry "]), max_size=2)):
            happened.append(ConditionFired(time_ms, f"c{role}", role.strip(), price))  # type: ignore[arg-type]
        if commands and draw(st.integers(0, 15)) == 0:
            happened.append(Commanded(time_ms, draw(st.sampled_from(["pause", "resume", "resume", "stop", "kill"]))))
    return tuple(happened)


brokers = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["low_first", "high_first"]),
        "volume_share": st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal(1)]),
        "fees_in": st.sampled_from(["quote", "received"]),
    }
)


def lives(kind: str, *, commands: bool = True) -> st.SearchStrategy[Life]:
    """Lives of bots of a kind."""
    return st.builds(Life, BOTS[kind], events(commands=commands), brokers)


class Crash(Exception):
    """The process that runs the bot has died."""


class CrashingBroker:
    """A broker at which the process dies at a call, before it or after it."""

    def __init__(self, broker: PaperBroker, crash_at: int, *, after: bool) -> None:
        self._broker = broker
        self._left = crash_at
        self._after = after

    @property
    def market(self) -> MarketRules:
        return self._broker.market

    def place(self, order: Order) -> None:
        self._call(lambda: self._broker.place(order))

    def cancel(self, client_id: str) -> None:
        self._call(lambda: self._broker.cancel(client_id))

    def reports(self) -> list[BrokerReport]:
        reports: list[BrokerReport] = []
        self._call(lambda: reports.extend(self._broker.reports()))
        return reports

    def past(self, client_ids: Any) -> Past:
        return self._broker.past(client_ids)

    def balances(self) -> Balances:
        return self._broker.balances()

    def _call(self, call: Any) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        call()
        if self._left == 0:
            raise Crash


class SlowBroker:
    """A broker whose reports come late, and whose cancels are carried out after the next candle."""

    def __init__(self, broker: PaperBroker, delays: list[bool]) -> None:
        self.paper = broker
        self._delays = delays
        self._calls = 0
        self._cancels: list[str] = []

    @property
    def market(self) -> MarketRules:
        return self.paper.market

    def place(self, order: Order) -> None:
        self.paper.place(order)

    def cancel(self, client_id: str) -> None:
        self._cancels.append(client_id)

    def move(self, candle: CandleClosed) -> None:
        cancels, self._cancels = self._cancels, []
        self.paper.move(candle)
        for client_id in cancels:
            self.paper.cancel(client_id)

    def reports(self) -> list[BrokerReport]:
        self._calls += 1
        is_late = self._delays and self._delays[self._calls % len(self._delays)]
        return [] if is_late else self.paper.reports()

    def past(self, client_ids: Any) -> Past:
        return self.paper.past(client_ids)

    def balances(self) -> Balances:
        return self.paper.balances()

    def settle(self) -> None:
        """Let nothing be late any more."""
        self._delays = []
