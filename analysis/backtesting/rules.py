"""How a backtest trades: the rules of entry and exit, and what each fill costs.

All rules know only what was known at the time:

1. A trigger on a candle enters at the open of the next candle. Triggers on whose close a position is open are ignored:
   there is one position at a time, and it invests everything.
2. Each candle of a position, that of the entry included, is looked at in this order. The exit condition fired on the
   candle before, in the position: the exit is at the open. It *opens* beyond the stop or the target (not the candle of
   the entry): at the open. It *touches the stop*: at the stop. It *touches the target*: at the target. What came first
   within a candle is not known, so the stop does. It is the last one of the horizon: the exit is at its close. A short
   position that has lost everything ends at the close.
3. A position that is still open on the last candle is valued at its close, and counts as no closed trade.

Each fill pays the fee; fills at market (all but those at the target) are worse by the slippage.
"""

import math
from dataclasses import dataclass

from common.direction import Direction
from common.errors import BacktestError
from registry.conditions import Condition

EXIT_REASONS = ("stop", "target", "horizon", "exit condition", "still open", "ruin")
"""Indexed by the kernel's numbers for them."""


@dataclass(frozen=True)
class Rules:
    """Entry and exit, and costs in percent of what a fill trades. Distances are in percent of the price of entry."""

    side: Direction = "long"
    exit: Condition | None = None
    horizon: int | None = None
    """Candles after which a position is closed; the candle of the entry is the first."""
    stop_percent: float | None = None
    target_percent: float | None = None
    fee_percent: float = 0.1
    slippage_percent: float = 0.05

    def __post_init__(self) -> None:
        if self.side not in ("long", "short"):
            raise BacktestError(f"side is {self.side!r}; it is 'long' or 'short'")
        if self.horizon is not None and self.horizon < 1:
            raise BacktestError(f"horizon is {self.horizon}; a position lasts at least 1 candle")
        for name in ("stop_percent", "target_percent"):
            percent = getattr(self, name)
            if percent is not None and not (math.isfinite(percent) and percent > 0):
                raise BacktestError(f"{name} is {percent}; it is a distance from the price of entry: above 0")
        for name, most in (("stop_percent", self.side == "long"), ("target_percent", self.side == "short")):
            percent = getattr(self, name)
            if most and percent is not None and percent >= 100:
                raise BacktestError(f"{name} is {percent}; a price cannot fall by 100 percent or more")
        for name in ("fee_percent", "slippage_percent"):
            percent = getattr(self, name)
            if not (math.isfinite(percent) and 0 <= percent < 100):
                raise BacktestError(f"{name} is {percent}; it is a share of each fill: from 0 to below 100")

    @property
    def sign(self) -> int:
        """1 if it gains when prices rise, -1 if it gains when they fall."""
        return 1 if self.side == "long" else -1

    def told(self) -> str:
        """The rules in a sentence."""
        ends = []
        if self.stop_percent is not None:
            ends.append(f"at a stop {self.stop_percent:g} % away")
        if self.target_percent is not None:
            ends.append(f"at a target {self.target_percent:g} % away")
        if self.horizon is not None:
            ends.append(f"after {self.horizon} {'candle' if self.horizon == 1 else 'candles'}")
        if self.exit is not None:
            ends.append(f"at the open after {self.exit}")
        costs = f"fee {self.fee_percent:g} % and slippage {self.slippage_percent:g} % a fill"
        return f"{self.side}, entry at the next open, exit {' or '.join(ends) or 'never'}; {costs}"
