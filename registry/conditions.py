"""A condition and its identity: all spellings of one condition have one id.

Condition.parse("BTCUSDT 1h: rsi < 30").id == Condition.parse("binance:btc/usdt 60m: 30.0 > RSI(14, close)").id
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from indicators.catalogue import catalogue
from registry import flat, text
from registry.canonical import canonicalise
from registry.errors import ConditionError
from registry.expression import IndicatorOutput, Node, Number, Series, is_momentary, operands
from registry.instruments import Instrument

_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the candles of one series; equal to every other with the same ``id``.

    ``canonical`` is its text with every default written out, ``tree`` what that text says. ``definition_versions``
    names the indicators used, sorted, with the versions of their formulas (``rsi=1,sma=1``): a formula that changes
    makes a new id.
    ``momentary`` tells whether it fires on every TRUE candle, or only when it becomes TRUE.
    """

    id: str
    canonical: str = field(compare=False)
    series: Series = field(compare=False)
    tree: Node = field(compare=False, repr=False)
    definition_versions: str = field(compare=False, repr=False)
    momentary: bool = field(compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        source: str | Mapping[str, object],
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        default_exchange: str = "BINANCE",
    ) -> "Condition":
        """The condition that a text, a flat JSON object or the text of one describes.

        ``symbol`` and ``timeframe`` stand in where the condition names none, ``default_exchange`` where the symbol
        names no exchange. Raises :class:`ConditionError` with the position or the JSON pointer of what cannot be
        read; a malformed stand-in raises :class:`InstrumentError` or :class:`TimeframeError`.
        """
        if isinstance(source, str):
            parse = flat.parse if source.lstrip().startswith("{") else text.parse
            series, tree = parse(source, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
        elif isinstance(source, Mapping):
            series, tree = flat.parse(source, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
        else:
            raise ConditionError(f"a condition is text or an object, got a value of type {type(source).__name__}")
        return cls._of(series, tree)

    @classmethod
    def from_canonical(cls, canonical: str) -> "Condition":
        """The condition whose ``canonical`` this is; raises :class:`ConditionError` for every other spelling."""
        condition = cls.parse(canonical)
        if condition.canonical != canonical:
            raise ConditionError(f"the canonical text of this condition is {condition.canonical!r}, got {canonical!r}")
        return condition

    @classmethod
    def _of(cls, series: Series, tree: Node) -> "Condition":
        tree = canonicalise(tree)
        canonical = f"{series}: {text.to_text(tree)}"
        used = {operand.indicator for operand in operands(tree) if isinstance(operand, IndicatorOutput)}
        versions = ",".join(f"{name}={catalogue()[name].version}" for name in sorted(used))
        digest = sha256(f"v1|{versions}|{canonical}".encode()).hexdigest()
        return cls(digest[:_ID_LENGTH], canonical, series, tree, versions, is_momentary(tree))

    @property
    def timeframe(self) -> str:
        """The timeframe on whose closed candles it is judged."""
        return self.series.timeframe

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments whose candles it reads, its own first."""
        read = (operand.series.instrument for operand in operands(self.tree) if not isinstance(operand, Number))
        return tuple(dict.fromkeys((self.series.instrument, *read)))

    def __str__(self) -> str:
        return f"{self.series}: {text.to_text(self.tree, short=True)}"
