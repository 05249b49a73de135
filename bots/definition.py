"""A bot from one configuration: its kind, markets, conditions, account and protections, and its machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bots import dca, grid, market_making, trend
from bots.arithmetic import DecimalNumber, NotNegative, Positive
from bots.brokers.paper import PaperAccount, PaperBroker, Path
from bots.configuration import BotConfig, told
from bots.machine import BotState, ConditionRole, Machine
from bots.orders import MarketRules
from bots.protections import Protections
from bots.roles import conditions_with_roles
from common.errors import BotConfigError
from common.spelling import did_you_mean
from registry.condition_shapes import snake
from registry.conditions import Condition
from registry.instruments import Instrument, Listing
from registry.naming import read_instrument

BotKind = Literal["dca", "grid", "trend", "market_making"]
PAPER = "paper"
"""The account of a bot that trades at no exchange."""
MOST_MARKETS = 50
"""How many markets a bot may have."""


class KindOfBot(NamedTuple):
    """What a kind of bot is made of."""

    config: type[BotConfig]
    machine: Any
    state: type[BotState]


KINDS: Mapping[BotKind, KindOfBot] = {
    "dca": KindOfBot(dca.Config, dca.DcaBot, dca.State),
    "grid": KindOfBot(grid.Config, grid.GridBot, grid.State),
    "trend": KindOfBot(trend.Config, trend.TrendBot, trend.State),
    "market_making": KindOfBot(market_making.Config, market_making.MarketMakingBot, market_making.State),
}
_OTHER_WORDS: Mapping[str, BotKind] = {"trend_following": "trend", "grid_bot": "grid", "dca_bot": "dca"}


class PaperTerms(BaseModel):
    """What a paper account begins with and what its market takes, under ``paper`` in a bot's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: NotNegative | None = None
    """Coins, in each market; by default none, and for market making its ``base_amount``."""
    quote: NotNegative | None = None
    """Money, in each market; by default 1,000,000, and for market making its ``quote_amount``."""
    maker_fee: DecimalNumber = Field(default=Decimal("0.001"), ge=0, lt=1)
    taker_fee: DecimalNumber = Field(default=Decimal("0.001"), ge=0, lt=1)
    tick_size: Positive | None = None
    """By default that of the market's listing, and without one the finest there is."""
    lot_size: Positive | None = None
    """The same."""
    min_notional: NotNegative = Decimal(0)
    volume_share: DecimalNumber = Field(default=Decimal("0.1"), gt=0, le=1)
    fees_in: Literal["quote", "received"] = "quote"


@dataclass(frozen=True)
class BotDefinition:
    """What a configuration says of a bot's machines, whatever their markets and conditions."""

    kind: BotKind
    config: BotConfig
    account: str
    paper: PaperTerms
    protections: Protections

    @property
    def is_short(self) -> bool:
        """Whether it sells first."""
        return "short" in (getattr(self.config, "strategy", None), getattr(self.config, "direction", None))

    @property
    def path(self) -> Path:
        """The order of a candle's prices that is the worse one for it."""
        return "high_first" if self.is_short else "low_first"

    @property
    def max_active_deals(self) -> int:
        """Deals over all markets at a time."""
        most: int = getattr(self.config, "max_active_deals", MOST_MARKETS)
        return most

    def market(self, listing: Listing | None) -> MarketRules:
        """The rules of a market on paper; steps are those of the account, else of the listing, if that has any."""
        named = {"maker_fee", "taker_fee", "min_notional", "tick_size", "lot_size"}
        rules = self.paper.model_dump(include=named, exclude_none=True)
        return MarketRules(**rules) if listing is None else MarketRules.of(listing, **rules)

    def machine(self, machine_id: str, market: MarketRules, *, may_enter: bool = True) -> Machine[Any]:
        """Its machine in a market. Without ``may_enter`` it begins nothing by itself, only by a condition.

        Raises :class:`BotConfigError` for what that market cannot have.
        """
        config = self.config
        if not may_enter and getattr(config, "start", None) == "at_once":
            config = config.model_copy(update={"start": "condition"})
        machine: Machine[Any] = KINDS[self.kind].machine(machine_id, config, market)
        return machine

    def check(self, market: MarketRules) -> None:
        """Raises :class:`BotConfigError` for what a market cannot have, and for orders that it never takes, whatever
        the price."""
        self.machine("", market)
        for name, size in self.config.sizes_in_quote():
            if size < market.min_notional:
                raise BotConfigError(
                    f"{name} is {size.normalize():f}, and the market takes {market.min_notional} in quote at least;"
                    " have larger orders"
                )

    def new_account(self) -> PaperAccount:
        """Its paper account before the first order."""
        own = self.config if isinstance(self.config, market_making.Config) else None
        base = self.paper.base if self.paper.base is not None else own.base_amount if own else Decimal(0)
        quote = self.paper.quote if self.paper.quote is not None else own.quote_amount if own else Decimal(1_000_000)
        return PaperAccount(base=base, quote=quote)

    def paper_broker(self, market: MarketRules, account: PaperAccount) -> PaperBroker:
        """A broker for one of its markets."""
        terms = self.paper
        return PaperBroker(market, account, path=self.path, volume_share=terms.volume_share, fees_in=terms.fees_in)


def machine_id(user_id: str, bot_id: str, created_ms: int, instrument: str) -> str:
    """What a bot's orders in a market are named after: another bot, or the same name later, has another id."""
    return sha256("\n".join((user_id, bot_id, str(created_ms), instrument)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class DefinedBot:
    """A bot that can be made: its definition, and where and when it acts."""

    definition: BotDefinition
    instruments: tuple[Instrument, ...]
    conditions: tuple[tuple[Condition, ConditionRole], ...]

    def roles(self) -> list[tuple[Instrument, Condition, ConditionRole]]:
        """Each condition for each market that it is for: that of its own candles if the bot trades there, else all."""
        return [
            (instrument, condition, role)
            for condition, role in self.conditions
            for instrument in (
                (condition.series.instrument,) if condition.series.instrument in self.instruments else self.instruments
            )
        ]


def read_definition(bot_config: Mapping[str, object], kind: str | None = None) -> BotDefinition:
    """What a configuration says of a bot's machines; ``kind`` may stand in it as ``bot_type``.

    Raises :class:`BotConfigError`, which says what to write.
    """
    known = _kind(kind if kind is not None else bot_config.get("bot_type"))
    config = KINDS[known].config.parse(bot_config)
    account = bot_config.get("account") or PAPER
    if not isinstance(account, str):
        raise BotConfigError("account is the name of an account, as text; leave it out to trade on paper")
    definition = BotDefinition(known, config, account, _paper(bot_config.get("paper")), Protections.parse(bot_config))
    if definition.is_short and account == PAPER and not definition.paper.base:
        raise BotConfigError('a bot that is short sells coins first; give its account some: "paper": {"base": 1}')
    return definition


def define_bot(
    bot_config: Mapping[str, object], kind: str | None = None, *, default_exchange: str = "BINANCE"
) -> DefinedBot:
    """A whole configuration, with its markets and conditions. Names of instruments are read as
    :func:`registry.naming.reading` says.

    Raises :class:`BotConfigError`, :class:`common.errors.InstrumentError` and :class:`common.errors.ConditionError`,
    which say what to write.
    """
    definition = read_definition(bot_config, kind)
    exchange = bot_config.get("exchange")
    exchange = exchange if isinstance(exchange, str) else default_exchange
    config = definition.config
    conditions = conditions_with_roles(bot_config, default_exchange=exchange)
    instruments = _instruments(bot_config, config, conditions, exchange)
    if getattr(config, "start", "condition") == "condition" and not any(role == "entry" for _, role in conditions):
        start = ', or "start": "at_once"' if "start" in type(config).model_fields else ""
        raise BotConfigError(
            f"nothing would ever begin: a {definition.kind} bot needs a condition in entryConditions{start};"
            " conditions in exitConditions and dcaRules begin nothing"
        )
    return DefinedBot(definition, instruments, tuple(conditions))


def _kind(said: object) -> BotKind:
    if not isinstance(said, str):
        raise BotConfigError(f"bot_type is missing; write one of {', '.join(KINDS)}")
    word = snake(said)
    for kind in KINDS:
        if kind == _OTHER_WORDS.get(word, word):
            return kind
    raise BotConfigError(
        f"bot_type {said[:40]!r} is no kind of bot that the hub runs{did_you_mean(word, list(KINDS))}; it runs"
        f" {', '.join(KINDS)}, and others get triggers by POST /conditions/subscribe"
    )


def _named_symbol(bot_config: Mapping[str, object]) -> str | None:
    for key in ("symbol", "pair", "market"):
        if (named := bot_config.get(key)) is not None:
            return _text(key, named)
    return None


def _text(key: str, name: object) -> str:
    if not isinstance(name, str):
        raise BotConfigError(f'{key} is the name of a market as text, such as "BTCUSDT", and no {type(name).__name__}')
    return name


def _instruments(
    bot_config: Mapping[str, object],
    config: BotConfig,
    conditions: Sequence[tuple[Condition, ConditionRole]],
    exchange: str,
) -> tuple[Instrument, ...]:
    names: list[str] = list(getattr(config, "pairs", ()))
    for key, value in bot_config.items():
        if snake(key) in ("symbols", "pairs", "selected_pairs") and isinstance(value, list | tuple):
            names += [_text(key, name) for name in value]
    if not names:
        names = [named] if (named := _named_symbol(bot_config)) is not None else []
    instruments = tuple(dict.fromkeys(read_instrument(name, exchange) for name in names))
    if not instruments:
        instruments = tuple(dict.fromkeys(condition.series.instrument for condition, _ in conditions))
        if len(instruments) > 1:
            raise BotConfigError(f"symbol is needed: the bot could trade {' or '.join(map(str, instruments))}")
    if not instruments:
        raise BotConfigError('symbol is needed: which market the bot trades, such as "symbol": "BTCUSDT"')
    if len(instruments) > MOST_MARKETS:
        raise BotConfigError(f"the bot has {len(instruments)} markets; a bot may have {MOST_MARKETS}")
    return instruments


def _paper(said: object) -> PaperTerms:
    try:
        return PaperTerms.model_validate(said or {})
    except ValidationError as error:
        raise BotConfigError(told(error, PaperTerms, "paper")) from None
