"""The words of other platforms, and of plain speech, put into ours.

    rsi 14 touches 30                             ->  rsi(14) crosses 30
    ta.crossover(ta.ema(close, 12), 60,000)       ->  ema(12, close) crosses_above 60000
    macd crosses above signal on 4h               ->  macd.line@4h crosses above macd.signal@4h

The rules may be wrong about a text: whoever uses them reads what comes out, and asks before acting on it.
"""

from registry.language.as_text.other_words.calls import calls_in_our_words
from registry.language.as_text.other_words.names import names
from registry.language.as_text.other_words.numbers import PLAIN_NUMBERS, SHARES
from registry.language.as_text.other_words.patterns import replaced
from registry.language.as_text.other_words.places import PLACES
from registry.language.as_text.other_words.speech import (
    CHARACTERS,
    COMMON_NAMES,
    LIBRARIES,
    LOGIC,
    PREFIXES,
    RANGES,
    VERBS,
)
from registry.language.as_text.other_words.times import times


def in_our_words(expression: str, timeframe: str | None = None) -> str:
    """``expression`` as we would write it, as far as a rule knows how; ``timeframe`` is that of the condition."""
    text = replaced(expression.translate(CHARACTERS), PREFIXES)
    text = replaced(calls_in_our_words(text), (LIBRARIES,))
    text = replaced(text, (*COMMON_NAMES, *PLAIN_NUMBERS, *RANGES, *names(), *VERBS))
    text = replaced(text, (*times(timeframe), *SHARES, *PLACES, *LOGIC))
    return " ".join(text.split())
