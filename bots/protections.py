"""When a bot begins no deals for a while, because of how its last ones went. Deals that it has are not touched.

The three are those of freqtrade, with its meanings (docs: freqtrade.io, "Protections"). A lock lasts from the deal that
caused it; all deals of the bot count, in all of its markets.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bots.arithmetic import HUNDRED, ZERO, Percentage, exactly
from bots.configuration import told
from common.errors import BotConfigError

_MONTH_S = 31 * 24 * 3_600


class EndedDeal(NamedTuple):
    """What protections look at of a deal."""

    closed_ms: int
    is_stop_loss: bool
    profit: Decimal
    entry_quote: Decimal


class StopLossGuard(BaseModel):
    """After ``trade_limit`` stop losses within ``lookback_s``, no deal begins for ``stop_duration_s``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lookback_s: int = Field(ge=60, le=_MONTH_S)
    trade_limit: int = Field(ge=1, le=1000)
    stop_duration_s: int = Field(ge=60, le=_MONTH_S)


class MaxDrawdown(BaseModel):
    """After a loss of ``max_drawdown_pct`` from the highest sum of profits within ``lookback_s``, no deal begins for
    ``stop_duration_s``. The loss is a share of what the largest deal of that time had at stake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lookback_s: int = Field(ge=60, le=_MONTH_S)
    trade_limit: int = Field(default=1, ge=1, le=1000)
    """Fewer deals than these lock nothing."""
    stop_duration_s: int = Field(ge=60, le=_MONTH_S)
    max_drawdown_pct: Percentage


class Protections(BaseModel):
    """What locks a bot. Without any it is never locked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cooldown_s: int = Field(default=0, ge=0, le=_MONTH_S)
    """After each deal, in any market of the bot."""
    stop_loss_guard: StopLossGuard | None = None
    max_drawdown: MaxDrawdown | None = None

    @classmethod
    def parse(cls, bot_config: Mapping[str, object]) -> Self:
        """Those of a whole configuration, under ``protections``; raises :class:`common.errors.BotConfigError`."""
        try:
            return cls.model_validate(bot_config.get("protections") or {})
        except ValidationError as error:
            raise BotConfigError(told(error, cls, "protections")) from None

    @property
    def lookback_ms(self) -> int:
        """How far back deals matter, in milliseconds; 0 if they never do."""
        spans = [self.cooldown_s]
        for guard in (self.stop_loss_guard, self.max_drawdown):
            if guard is not None:
                spans.append(guard.lookback_s + guard.stop_duration_s)
        return max(spans) * 1000

    @exactly
    def lock_at(self, deals: Iterable[EndedDeal], time_ms: int) -> str | None:
        """Why no deal begins at a time; ``None`` if one may. ``deals`` are in the order in which they ended."""
        past = [deal for deal in deals if deal.closed_ms <= time_ms]
        if not past:
            return None
        if time_ms < past[-1].closed_ms + self.cooldown_s * 1000:
            return "cooldown after the last deal"
        # A lock begins with the deal that completes its reason, so each deal of the past may have begun one.
        guard, drawdown = self.stop_loss_guard, self.max_drawdown
        for place, deal in enumerate(past):
            if guard is not None and time_ms < deal.closed_ms + guard.stop_duration_s * 1000:
                near = _within(past[: place + 1], deal.closed_ms, guard.lookback_s)
                if deal.is_stop_loss and sum(one.is_stop_loss for one in near) >= guard.trade_limit:
                    return f"{guard.trade_limit} stop losses within {guard.lookback_s} s"
            if drawdown is not None and time_ms < deal.closed_ms + drawdown.stop_duration_s * 1000:
                near = _within(past[: place + 1], deal.closed_ms, drawdown.lookback_s)
                if len(near) >= drawdown.trade_limit and _drawdown(near) >= drawdown.max_drawdown_pct / HUNDRED:
                    return f"a drawdown of {drawdown.max_drawdown_pct} % within {drawdown.lookback_s} s"
        return None


def _within(deals: list[EndedDeal], until_ms: int, lookback_s: int) -> list[EndedDeal]:
    return [deal for deal in deals if deal.closed_ms > until_ms - lookback_s * 1000]


def _drawdown(deals: list[EndedDeal]) -> Decimal:
    """The loss from the highest sum of profits to the last one, as a share of the largest stake."""
    total = highest = ZERO
    for deal in deals:
        total += deal.profit
        highest = max(highest, total)
    stake = max(deal.entry_quote for deal in deals)
    return (highest - total) / stake if stake > 0 else ZERO
