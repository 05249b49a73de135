"""What the four machines share: the events that they see, their states, and how one is stepped.

    state, intents = bot.step(state, event)

A step is pure: no clock, no exchange, no random number. The same events in the same order give the same states and
intents, live, in a simulation, and after a restart from a stored state. Whoever runs a machine stores the new state,
then carries the intents out; if it dies in between, it reads from the state which orders the broker should have.

The order of events at one close time is: fills of the candle, in the broker's order; the candle; commands; triggers by
their role, in the order of :data:`ROLES`, so that a bot is out before it is asked to enter.
"""

from decimal import Decimal
from typing import Literal, NamedTuple, Protocol, TypeVar, get_args

import msgspec

from bots.arithmetic import ZERO
from bots.orders import Fill, Intent, MarketRules
from bots.working_orders import WorkingOrders

ConditionRole = Literal["exit", "opposite", "safety", "entry"]
"""What a condition is to a bot: it ends a deal, signals the other direction, lets safety orders be executed, or begins
a deal, a grid or quoting."""
ROLES: tuple[ConditionRole, ...] = get_args(ConditionRole)
Command = Literal["pause", "resume", "stop", "kill"]
BotStatus = Literal[
    "waiting", "entering", "active", "trailing", "closing", "cooldown", "paused", "closed", "error"
]  # fmt: skip


class ConditionFired(msgspec.Struct, frozen=True, tag="condition"):
    """A condition of the bot fired at the close of a candle."""

    time_ms: int
    condition_id: str
    role: ConditionRole
    price: Decimal
    """The close of the candle."""


class CandleClosed(msgspec.Struct, frozen=True, tag="candle"):
    """A candle of the smallest stored timeframe closed. Prices that nobody stored do not exist for a bot."""

    time_ms: int
    """Its close time."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    readings: dict[str, Decimal] = {}
    """Indicator (``atr(14)@1h``) -> its value, on candles with which a slot of its timeframe ends."""


class OrderFilled(msgspec.Struct, frozen=True, tag="fill"):
    """An order was executed, in part or to its end."""

    fill: Fill

    @property
    def time_ms(self) -> int:
        """When it was executed."""
        return self.fill.time_ms


class OrderCancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """An order has left the book without being filled to its end. All its fills came before."""

    time_ms: int
    client_id: str


class OrderRejected(msgspec.Struct, frozen=True, tag="rejected"):
    """The broker did not take an order."""

    time_ms: int
    client_id: str
    reason: str


class TimePassed(msgspec.Struct, frozen=True, tag="time"):
    """It is at least that late; for cooldowns and time limits while no candles come."""

    time_ms: int


class Commanded(msgspec.Struct, frozen=True, tag="command"):
    """The owner of the bot, or its operator, wants something.

    ``pause``: begin nothing new; ``resume``: go on, also after an error; ``stop``: end with what is under way;
    ``kill``: cancel everything and trade back at market, now.
    """

    time_ms: int
    command: Command


MachineEvent = ConditionFired | CandleClosed | OrderFilled | OrderCancelled | OrderRejected | TimePassed | Commanded


class IndicatorReading(NamedTuple):
    """An indicator whose values a bot wants with the candles of a timeframe."""

    timeframe: str
    indicator: str
    period: int

    @property
    def key(self) -> str:
        """Its key in :attr:`CandleClosed.readings`: ``atr(14)@1h``."""
        return f"{self.indicator}({self.period})@{self.timeframe}"


class BotState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every bot remembers. Amounts are sums of what was executed, so that nothing is lost by rounding."""

    status: BotStatus = "waiting"
    is_paused: bool = False
    is_stopping: bool = False
    orders: WorkingOrders = WorkingOrders()
    price: Decimal = ZERO
    """Close of the last candle, 0 before the first."""
    candle_ms: int = 0
    """Close time of the last candle; earlier ones change nothing."""
    acted_ms: dict[str, int] = {}
    """Condition -> close time of its last trigger; earlier ones change nothing."""
    base: Decimal = ZERO
    """Coins that the bot has gained by its trades so far; below 0 when it has sold more than it bought."""
    quote: Decimal = ZERO
    """Money that the bot has gained by its trades so far, after fees; below 0 while it has coins."""
    fees: Decimal = ZERO
    """Fees paid so far, in quote; those in base at the price of their fill."""
    error: str | None = None

    @property
    def equity(self) -> Decimal:
        """Gain so far in quote, coins valued at the last close."""
        return self.quote + self.base * self.price


S = TypeVar("S", bound=BotState)


class Machine(Protocol[S]):
    """One bot: its configuration and market, and how it acts."""

    @property
    def bot_id(self) -> str:
        """Goes into the ids of its orders."""
        ...

    @property
    def market(self) -> MarketRules:
        """The rules by which it rounds."""
        ...

    @property
    def readings(self) -> tuple[IndicatorReading, ...]:
        """The indicators that it wants with its candles."""
        ...

    def start(self) -> S:
        """The state before the first event."""
        ...

    def step(self, state: S, event: MachineEvent) -> tuple[S, tuple[Intent, ...]]:
        """The next state, and what is to be done."""
        ...
