"""One bot and a paper broker, driven by hand: prices as candles, triggers, and what the bot wants."""

from decimal import Decimal
from typing import Any, Generic

from bots.brokers.paper import PaperAccount, PaperBroker
from bots.machine import CandleClosed, Command, Commanded, ConditionFired, ConditionRole, Machine, MachineEvent, S
from bots.orders import Intent, MarketRules, Note, Order, PlaceOrder
from bots.running import Runner

MINUTE_MS = 60_000
PLENTY = Decimal(1_000_000)
MARKET = MarketRules(tick_size="0.01", lot_size="0.0001", min_notional=1)
CONDITION = "c" * 32


def candle(minute: int, *prices: float | str, volume: float | str = 1_000_000, **readings: float | str) -> CandleClosed:
    """A candle that closes at a minute: (price), or (open, high, low, close)."""
    values = [Decimal(str(price)) for price in prices]
    opening, high, low, close = values * 4 if len(values) == 1 else values
    read = {f"{name}(14)@1h": Decimal(str(value)) for name, value in readings.items()}
    return CandleClosed(minute * MINUTE_MS, opening, high, low, close, Decimal(str(volume)), read)


class Bench(Generic[S]):
    """A bot at a broker; time is counted in minutes, one a candle."""

    def __init__(self, bot: Machine[S], *, base: Any = 0, quote: Any = PLENTY, **broker: Any) -> None:
        account = PaperAccount(base=Decimal(base), quote=Decimal(quote))
        self.broker = PaperBroker(bot.market, account, **{"volume_share": Decimal(1), **broker})
        self.minute = 0
        self.placed: list[Order] = []
        self.notes: list[str] = []
        self.statuses: list[str] = []
        self.runner = Runner(bot, self.broker, bot.start(), self._stepped)

    @property
    def state(self) -> S:
        """The bot's."""
        return self.runner.state

    @property
    def status(self) -> str:
        """The bot's."""
        return self.state.status

    def now(self, *names: str) -> tuple[Any, ...]:
        """Some fields of the bot's state."""
        return tuple(getattr(self.state, name) for name in names)

    @property
    def book(self) -> dict[str, tuple[Any, Any]]:
        """Purpose -> (price, what remains) of the limit orders in the broker's book."""
        return {
            one.order.purpose: (one.order.price, one.remaining)
            for one in self.broker.account.book.values()
            if one.order.price is not None
        }

    def candle(self, *prices: float | str, **rest: Any) -> "Bench[S]":
        """Let a candle pass."""
        self.minute += 1
        closed = candle(self.minute, *prices, **rest)
        self.broker.move(closed)
        self.runner.catch_up()
        self.runner.deliver(closed)
        return self

    def fire(self, role: ConditionRole = "entry", condition: str = CONDITION) -> "Bench[S]":
        """Let a condition fire at the close of the last candle."""
        price = self.broker.account.price
        self.runner.deliver(ConditionFired(self.minute * MINUTE_MS, condition, role, price))
        return self

    def command(self, command: Command) -> "Bench[S]":
        """What the owner wants."""
        self.runner.deliver(Commanded(self.minute * MINUTE_MS, command))
        return self

    def _stepped(self, event: MachineEvent, state: S, intents: tuple[Intent, ...]) -> None:
        self.placed += [intent.order for intent in intents if isinstance(intent, PlaceOrder)]
        self.notes += [intent.text for intent in intents if isinstance(intent, Note)]
        if not self.statuses or self.statuses[-1] != state.status:
            self.statuses.append(state.status)
