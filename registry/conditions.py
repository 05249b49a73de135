"""A condition and its identity: all spellings of one condition have one id.

Condition.parse("BTCUSDT 1h: rsi < 30").id == Condition.parse("binance:btc/usdt 60m: 30.0 > RSI(14, close)").id
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from common.errors import ConditionError
from indicators.catalogue import catalogue
from registry.defaults import current_defaults
from registry.groups import Group, Series
from registry.instruments import Instrument
from registry.language.as_json import reading
from registry.language.as_json.writing import node_to_json
from registry.language.as_text import text
from registry.language.canonical import canonicalise
from registry.language.desugar import desugar
from registry.language.limits import STORED, TYPED
from registry.language.lookback import Needed, candles_needed
from registry.language.surface import SurfaceNode, momentary
from registry.language.tree import LARGEST_NUMBER, Comparison, IndicatorOutput, Node, Number, is_momentary, variables

_ID_LENGTH = 32
_SHORT, _FEW = 400, 12
"""Characters and fields of sources that are remembered with their conditions: nearly all, and they take little."""
_PARSED_KEPT = 16_384
_SIBLINGS_KEPT = 4_096
_PLAIN = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the candles of one series; equal to every other with the same ``id``.

    ``canonical`` is its text with every default written out and everything brought down to what is judged, ``tree``
    what that text says; ``surface`` is the tree as it was written. ``definition_versions`` names the indicators used,
    sorted, with the versions of their formulas (``rsi=1,sma=1``): a formula that changes makes a new id.
    ``momentary`` tells whether it fires on every TRUE candle, or only when it becomes TRUE. ``all_series`` are those
    whose candles it needs: its own first, the others sorted by their text. ``text`` is for people, and short.
    """

    id: str
    canonical: str = field(compare=False)
    series: Series = field(compare=False)
    tree: Node = field(compare=False, repr=False)
    surface: SurfaceNode = field(compare=False, repr=False)
    definition_versions: str = field(compare=False, repr=False)
    momentary: bool = field(compare=False, repr=False)
    all_series: tuple[Series, ...] = field(compare=False, repr=False)
    text: str = field(compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        source: str | Mapping[str, object],
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        default_exchange: str = "BINANCE",
    ) -> "Condition":
        """The condition that a text, a JSON object or the text of one describes.

        ``symbol`` and ``timeframe`` stand in where the condition names none, else those of ``registry.defaults``;
        ``default_exchange`` where the symbol names no exchange. Raises :class:`ConditionError` with the position or
        the JSON pointer of what cannot be read; a malformed stand-in raises :class:`InstrumentError` or
        :class:`TimeframeError`.
        """
        defaults = current_defaults()
        symbol, timeframe = symbol or defaults.symbol, timeframe or defaults.timeframe
        # Bots send the same few conditions again and again, and users tune a number.
        rest, threshold = _exactly(source)
        if rest is None:
            return cls._parse(source, symbol, timeframe, default_exchange)
        if threshold is None:
            written = _Written(rest, source)
        else:
            key = (rest, symbol, timeframe, default_exchange)
            if (sibling := _siblings.get(key)) is None:
                condition = cls._parse(source, symbol, timeframe, default_exchange)
                _remember_sibling(key, condition)
                return condition
            if (found := _with_threshold(sibling, threshold)) is not None:
                return found
            written = _Written((*rest, ("value", float, repr(threshold))), source)
        try:
            return _parsed(written, symbol, timeframe, default_exchange)
        finally:
            written.forget()

    @classmethod
    def _parse(
        cls, source: str | Mapping[str, object], symbol: str | None, timeframe: str | None, default_exchange: str
    ) -> "Condition":
        if isinstance(source, str):
            parse = reading.parse if source.lstrip().startswith("{") else text.parse
            series, tree = parse(source, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
        elif isinstance(source, Mapping):
            series, tree = reading.parse(source, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
        else:
            raise ConditionError(f"a condition is text or an object, got a value of type {type(source).__name__}")
        condition = cls._of(series, tree)
        if len(condition.text) > TYPED.characters:
            raise ConditionError(
                f"the condition has {len(condition.text)} characters when it is written with its parameters; at most"
                f" {TYPED.characters} are allowed"
            )
        return condition

    @classmethod
    def from_canonical(cls, canonical: str) -> "Condition":
        """The condition whose ``canonical`` this is; raises :class:`ConditionError` for every other spelling.

        The way back for what a store keeps: a canonical text may be longer than what :meth:`parse` takes from people.
        """
        condition = cls._of(*text.parse(canonical, default_exchange="BINANCE", limits=STORED))
        if condition.canonical != canonical:
            raise ConditionError(f"the canonical text of this condition is {condition.canonical!r}, got {canonical!r}")
        return condition

    @classmethod
    def _of(cls, series: Series, surface: SurfaceNode) -> "Condition":
        tree = canonicalise(desugar(surface, series), series, momentary=momentary(surface))
        canonical = f"{series}: {text.to_text(tree, series)}"
        operands = tuple(variables(tree))
        used = {operand.indicator for operand in operands if isinstance(operand, IndicatorOutput)}
        versions = ",".join(f"{name}={catalogue()[name].version}" for name in sorted(used))
        others = {operand.series for operand in operands} - {series}
        return cls(
            _identity(versions, canonical),
            canonical,
            series,
            tree,
            surface,
            versions,
            is_momentary(tree),
            all_series=(series, *sorted(others, key=str)),
            text=f"{series}: {text.to_text(surface, series, short=True)}",
        )

    def to_json(self) -> dict[str, object]:
        """The condition as written as a JSON object: ``{"symbol", "timeframe", "when"}``; parses to the same."""
        when = node_to_json(self.surface, self.series)
        return {"symbol": str(self.series.instrument), "timeframe": self.series.timeframe, "when": when}

    @property
    def timeframe(self) -> str:
        """The timeframe on whose closed candles it is judged."""
        return self.series.timeframe

    @property
    def group(self) -> Group:
        """What it is judged with: conditions with the same group are judged when the same candles are there."""
        return Group(self.all_series)

    @property
    def needed(self) -> dict[Series, Needed]:
        """Series -> candles that it needs, in the order of ``all_series``."""
        return candles_needed(self.tree, self.series)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments whose candles it needs, its own first."""
        if len(self.all_series) == 1:
            return (self.series.instrument,)
        return tuple(dict.fromkeys(series.instrument for series in self.all_series))

    def __str__(self) -> str:
        return self.text


def _identity(versions: str, canonical: str) -> str:
    return sha256(f"v1|{versions}|{canonical}".encode()).hexdigest()[:_ID_LENGTH]


_Exact = str | tuple[tuple[str, type, object], ...]


def _exactly(source: str | Mapping[str, object]) -> tuple[_Exact | None, float | None]:
    """A text or a flat object as something that equals only what is written the same, to the last kind of number, and
    apart from it the number that a flat object compares with, if it has one.

    0 is not taken apart: what it is compared with may be written otherwise (``registry.language.canonical``, rule 3).
    The first is ``None`` for what is too long, or of a shape too rich, to be remembered.
    """
    if isinstance(source, str):
        return (source if len(source) <= _SHORT else None), None
    if type(source) is not dict or len(source) > _FEW:
        return None, None
    fields: list[tuple[str, type, object]] = []
    threshold: float | None = None
    for name, value in source.items():
        kind = type(value)
        if kind is float or kind is int:
            if name == "value" and 0 < abs(value) <= LARGEST_NUMBER:
                threshold = float(value)
                continue
            # -0.0 equals 0.0 and is written otherwise.
            fields.append((name, kind, repr(value) if kind is float else value))
        elif kind not in _PLAIN or (kind is str and len(value) > _SHORT):
            return None, None
        else:
            fields.append((name, kind, value))
    return tuple(fields), threshold


class _Written:
    """A source that is known by how it is written."""

    __slots__ = ("_exact", "source")

    def __init__(self, exact: _Exact, source: str | Mapping[str, object]) -> None:
        self._exact = exact
        self.source = source

    def forget(self) -> None:
        """Let go of the source, which is its caller's."""
        self.source = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Written) and self._exact == other._exact

    def __hash__(self) -> int:
        return hash(self._exact)


@lru_cache(maxsize=_PARSED_KEPT)
def _parsed(written: _Written, symbol: str | None, timeframe: str | None, default_exchange: str) -> Condition:
    return Condition._parse(written.source, symbol, timeframe, default_exchange)


_siblings: dict[tuple[_Exact, str | None, str | None, str], Condition] = {}
"""Flat objects without their threshold -> a condition of that kind."""


def _remember_sibling(key: tuple[_Exact, str | None, str | None, str], condition: Condition) -> None:
    if len(_siblings) >= _SIBLINGS_KEPT:
        _siblings.clear()
    _siblings[key] = condition


def _with_threshold(sibling: Condition, value: float) -> Condition | None:
    """The condition that compares with another number, ``None`` where more than the number may differ.

    Nothing in a comparison with a number but 0 depends on which number it is, once the number is on its right.
    """
    tree, surface = sibling.tree, sibling.surface
    if not (isinstance(tree, Comparison) and isinstance(surface, Comparison)):
        return None
    if not (isinstance(tree.right, Number) and isinstance(surface.right, Number)):
        return None
    number, was, now = Number(value), text.number_text(tree.right.value), text.number_text(value)
    canonical = sibling.canonical.removesuffix(was) + now
    short = sibling.text.removesuffix(was) + now
    if len(short) > TYPED.characters:
        return None
    versions = sibling.definition_versions
    return Condition(
        _identity(versions, canonical),
        canonical,
        sibling.series,
        Comparison(tree.operator, tree.left, number),
        Comparison(surface.operator, surface.left, number),
        versions,
        sibling.momentary,
        all_series=sibling.all_series,
        text=short,
    )
