"""Where an operand is read: ``[k]`` steps back, ``@4h`` on another timeframe, ``@ETHUSDT`` of another instrument.

    rsi(14)[1]@4h   close@ETHUSDT   close@KRAKEN:ETH/EUR@1d   close@"NYSE:^NYA"   (close - open)[2]@4h

What a place leaves out is the condition's own. After parentheses, a place applies to everything inside that does not
say otherwise, and steps add up.
"""

import re
from dataclasses import dataclass, replace

from common.errors import ConditionError
from common.timeframes import UNITS, find_timeframe, multiples, normalise_timeframe
from registry.groups import Series
from registry.instruments import Instrument, split_exchange
from registry.language import vocabulary
from registry.naming import read_instrument
from registry.symbols import LETTER

_TIMEFRAME_PATTERN = rf"[0-9]+\s?({'|'.join(sorted(UNITS, key=len, reverse=True))})(?!\w)"
# A quote currency begins with no digit: close@BTCUSDT-5 subtracts.
_SYMBOL_PATTERN = (
    rf"([a-z]\w*:)?{LETTER}+([\/_-](?![0-9]){LETTER}+)?(\.[a-z0-9]+)*"
    r"([_-]([0-9]{6}([0-9]{2})?|[0-9]{1,2}[a-z]{3}[0-9]{2}|swap|perp|perpetual)(?![\w.]))?"
    rf"(:{LETTER}+(-[0-9]{{6}}([0-9]{{2}})?(?![\w.]))?)?"
)
PLACE_PATTERN = rf'({_TIMEFRAME_PATTERN}|{_SYMBOL_PATTERN}|"[^"]*")'
"""What follows an ``@``, in any case."""
_TIMEFRAME = re.compile(rf"{_TIMEFRAME_PATTERN}|mn1|[mhdw][0-9]{{1,2}}", re.IGNORECASE)
_SHORT_DAY = re.compile(r"[^:]*-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Place:
    """What an operand, or the parentheses around it, says about where it is read."""

    instrument: Instrument | None = None
    timeframe: str | None = None
    steps: int = 0

    def at(self, text: str, base: Series) -> "Place":
        """With what follows an ``@``, a timeframe or a symbol; the default exchange is that of ``base``."""
        if text.startswith('"'):
            return self.of_instrument(text.strip('"'), base)
        if _TIMEFRAME.fullmatch(text) or text == "1M":
            return self.on_timeframe(text, base)
        if looks_like_timeframe(text):
            raise ConditionError(
                f"@{text} may be a timeframe or an instrument; write a timeframe like @4h, or the instrument with its"
                f" exchange: @{base.instrument.exchange}:{text.upper()}"
            )
        parts = re.split(r"[/_-]", text)
        if len(parts) == 2 and vocabulary.is_operand(parts[1]):
            raise ConditionError(f"write blanks around the sign in {text!r}, otherwise it is the name of an instrument")
        if _SHORT_DAY.fullmatch(split_exchange(text, "")[1]):
            raise ConditionError(
                f"write blanks around the sign in {text!r} to subtract, or the day on which the contract expires with"
                " its century, like -20250328"
            )
        return self.of_instrument(text, base)

    def on_timeframe(self, text: str, base: Series) -> "Place":
        """With a timeframe, which must be a multiple of the condition's own."""
        timeframe = normalise_timeframe(text)
        if self.timeframe is not None:
            raise ConditionError(f"two timeframes, {self.timeframe} and {timeframe}; write one")
        fitting = multiples(base.timeframe)
        if timeframe not in fitting:
            raise ConditionError(
                f"@{timeframe} is not a multiple of the condition's own timeframe {base.timeframe};"
                f" use one of {' '.join(fitting)}"
            )
        return replace(self, timeframe=timeframe)

    def of_instrument(self, text: str, base: Series) -> "Place":
        """With an instrument, at the exchange of ``base`` unless it names one."""
        instrument = read_instrument(text, base.instrument.exchange)
        if self.instrument is not None:
            raise ConditionError(f"two instruments, {self.instrument} and {instrument}; write one")
        return replace(self, instrument=instrument)

    def back(self, steps: float, most: int) -> "Place":
        """That many steps further back."""
        if steps % 1 != 0 or steps < 0:
            raise ConditionError(f"[k] goes back a whole number of steps from 0 to {most}, got {steps:g}")
        if self.steps + steps > most:
            raise ConditionError(f"[k] goes back at most {most} steps, got {self.steps + steps:g}")
        return replace(self, steps=self.steps + int(steps))

    def within(self, outer: "Place", most: int) -> "Place":
        """What this place means inside parentheses at ``outer``."""
        inner = Place(self.instrument or outer.instrument, self.timeframe or outer.timeframe, self.steps)
        return inner.back(outer.steps, most)

    def series(self, base: Series) -> Series:
        """The series that is read."""
        return Series(self.instrument or base.instrument, self.timeframe or base.timeframe)


HERE = Place()
"""The condition's own series, no step back."""


def looks_like_timeframe(symbol: str) -> bool:
    """Whether a symbol without its exchange could be taken for a timeframe: ``D``, ``60``, ``H4``."""
    return find_timeframe(symbol) is not None or symbol.upper() == "M"
