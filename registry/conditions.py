"""A condition and its identity: all spellings of a condition share one id.

Condition.parse("BTCUSDT 1h: rsi < 30").id == Condition.parse("binance:btc/usdt 60m: 30.0 > RSI(14, close)").id
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from common.errors import ConditionError, HubError
from condition_hub.series_defaults import current_defaults
from registry.condition_cache import ConditionCache, ShapeCache, as_written
from registry.groups import Group, Series
from registry.instruments import Instrument
from registry.language.as_json import reading
from registry.language.as_json.writing import node_to_json
from registry.language.as_text import text
from registry.language.canonical import canonicalise
from registry.language.definitions import definition_versions
from registry.language.desugar import desugar
from registry.language.limits import STORED, TYPED
from registry.language.lookback import Needed, candles_needed
from registry.language.ranges import range_warnings
from registry.language.surface import SurfaceNode, momentary
from registry.language.suspicions import suspicions
from registry.language.tree import Comparison, Node, Number, is_momentary, readings
from registry.naming import CANONICAL, current_names
from registry.naming import reading as reading_names

_ID_LENGTH = 32
_MOST_SERIES = 65_536


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the candles of one series; equal to every other with the same ``id``.

    ``canonical`` is its text with every default written out and everything reduced to what is judged, ``tree`` is the
    tree of that text; ``surface`` is the tree as it was written. ``definition_versions`` names the indicators used,
    sorted, with the versions of their formulas (``rsi=1,sma=1``): a changed formula gives a new id. ``momentary`` tells
    whether it fires on every TRUE candle, or only when it becomes TRUE. ``all_series`` are the series whose candles it
    needs: its own first, the others sorted by their text. ``text`` is short, for people.
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
    _is_read_back: bool = field(default=False, init=False, compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        source: str | Mapping[str, object],
        *,
        symbol: str | None = None,
        timeframe: str | None = None,
        default_exchange: str = "BINANCE",
    ) -> "Condition":
        """The condition that a text, a JSON object or a JSON text describes.

        ``symbol`` and ``timeframe``, or those of ``registry.defaults``, are used where the condition names none;
        ``default_exchange`` is used where the symbol names no exchange. Within :func:`registry.naming.reading`, symbols
        are read with a hub's list of instruments, otherwise by the rules of spelling. Raises :class:`ConditionError`
        with the position or the JSON pointer of what cannot be read; a malformed default raises
        :class:`InstrumentError` or :class:`TimeframeError`.
        """
        defaults = current_defaults()
        symbol, timeframe = symbol or defaults.symbol, timeframe or defaults.timeframe
        written, threshold = as_written(source)
        if written is None:
            return cls._parse(source, symbol, timeframe, default_exchange)
        key = (written, symbol, timeframe, default_exchange, current_names().number, threshold is not None)
        known = _CACHE.get(key)
        if known is None:
            return _CACHE.put(key, cls._parse(source, symbol, timeframe, default_exchange))
        if threshold is None:
            return known
        if (tuned := with_threshold(known, threshold)) is not None:
            return tuned
        exact_key = (*key, threshold)
        tuned = _CACHE.get(exact_key)
        return tuned or _CACHE.put(exact_key, cls._parse(source, symbol, timeframe, default_exchange))

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
                f"the condition has {len(condition.text)} characters when written with its parameters; at most"
                f" {TYPED.characters} are allowed"
            )
        if len(condition.canonical) > STORED.characters:
            raise ConditionError(
                f"the condition has {len(condition.canonical)} characters when reduced to what is judged; at most"
                f" {STORED.characters} are allowed: look back over fewer bars, or register its parts as conditions of"
                " their own"
            )
        return condition

    @classmethod
    def from_canonical(cls, canonical: str) -> "Condition":
        """The condition whose ``canonical`` this is; raises :class:`ConditionError` for every other spelling.

        For reading conditions back from a store: a canonical text may be longer than what :meth:`parse` accepts.
        """
        condition = cls.restored(canonical)
        if condition.canonical != canonical:
            raise ConditionError(f"the canonical text of this condition is {condition.canonical!r}, got {canonical!r}")
        return condition

    @classmethod
    def from_short(cls, text: str, condition_id: str) -> "Condition | None":
        """The condition of that id whose ``text`` this is; ``None`` if the text cannot be read, or has another id now.

        It is what :meth:`from_canonical` gives, with the tree as it was written, and costs at most as much as parsing
        it did: a canonical text may be a thousand times as long.
        """
        key = (condition_id, text)
        if (known := _CACHE.get(key)) is not None:
            return known
        try:
            condition = cls.restored(text)
        except HubError:
            return None
        return _CACHE.put(key, condition) if condition.id == condition_id else None

    @classmethod
    def restored(cls, spelling: str) -> "Condition":
        """The condition that a text from a store means today, also if it was written by another version of the hub.

        Its canonical text, and its id, may be others than they were. Raises :class:`ConditionError`.
        """
        with reading_names(CANONICAL):
            return cls._of(*text.parse(spelling, default_exchange="BINANCE", limits=STORED))

    @classmethod
    def _of(cls, series: Series, surface: SurfaceNode) -> "Condition":
        tree = canonicalise(desugar(surface, series), series, momentary=momentary(surface))
        # One tree where both are the same, as they mostly are.
        surface = tree if surface == tree else surface
        canonical = f"{series}: {text.to_text(tree, series)}"
        operands = tuple(readings(tree))
        versions = definition_versions(operands)
        others = {operand.series for operand in operands} - {series}
        return cls(
            identity(versions, canonical),
            canonical,
            series,
            tree,
            surface,
            versions,
            is_momentary(tree),
            all_series=(series, *sorted(others, key=str)),
            text=f"{series}: {text.to_text(surface, series, short=True)}",
        )

    def check_reads_back(self) -> None:
        """Raises :class:`ConditionError` unless the canonical text reads back as this condition.

        In a store the text is what counts, so a condition that fails here could never be judged. Conditions that differ
        only in the number they compare with are read once, and so are those that differ only in their own instrument.
        """
        if self._is_read_back:
            return
        key = (self.id, self.text)
        shape = _shape(self)
        if shape is not None and shape in _READ_BACK and _reads_back(self.series):
            self._note_read_back()
            return
        known = _CACHE.get(key)
        if known is not None and known.canonical == self.canonical:
            self._note_read_back()
            return
        try:
            again = Condition.from_canonical(self.canonical)
        except ConditionError as error:
            raise ConditionError(
                f"the condition cannot be stored, as its canonical text does not read back: {_brief(error)};"
                " write it in a simpler way, and report it as a fault of the hub"
            ) from error
        if again.id != self.id:
            raise ConditionError(
                f"the condition cannot be stored, as it has the id {self.id} and its canonical text reads back with the"
                f" id {again.id}; report it as a fault of the hub"
            )
        _CACHE.put(key, self)
        self._note_read_back()
        if shape is not None:
            _READ_BACK.add(shape)

    def _note_read_back(self) -> None:
        # It does not change what the condition is.
        object.__setattr__(self, "_is_read_back", True)

    @property
    def names(self) -> tuple[str, str, str]:
        """What identifies it: its id, its canonical text and its short one."""
        return self.id, self.canonical, self.text

    def to_json(self) -> dict[str, object]:
        """The condition as it was written, as JSON that parses back to it: ``{"symbol", "timeframe", "when"}``."""
        when = node_to_json(self.surface, self.series)
        return {"symbol": str(self.series.instrument), "timeframe": self.series.timeframe, "when": when}

    @property
    def timeframe(self) -> str:
        """The timeframe whose closed candles it is judged on."""
        return self.series.timeframe

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is valid and probably not meant: thresholds out of reach, the average of something else."""
        return (*range_warnings(self.tree, self.series), *suspicions(self.tree, self.series))

    @property
    def group(self) -> Group:
        """The series it reads: conditions of the same group are judged once the same candles are there."""
        return _group(self.series) if len(self.all_series) == 1 else Group(self.all_series)

    @property
    def needed(self) -> dict[Series, Needed]:
        """Series -> how many of its candles the condition needs, in the order of ``all_series``."""
        return candles_needed(self.tree, self.series)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments whose candles it needs, its own first."""
        if len(self.all_series) == 1:
            return (self.series.instrument,)
        return tuple(dict.fromkeys(series.instrument for series in self.all_series))

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from registry.notebook import condition_html

        return condition_html(self)


@lru_cache(_MOST_SERIES)
def _group(series: Series) -> Group:
    return Group((series,))


def identity(versions: str, canonical: str) -> str:
    """The id of the condition with this canonical text, whose indicators have these versions (``rsi=1,sma=1``)."""
    return sha256(f"v1|{versions}|{canonical}".encode()).hexdigest()[:_ID_LENGTH]


_CACHE = ConditionCache()
"""By how they were written (flat objects that differ only in their threshold share one), and by id and short text:
those have been read back."""


_READ_BACK = ShapeCache()
"""Shapes of conditions whose canonical text has been read back."""


def _shape(condition: Condition) -> tuple[str, bool, bool, bool] | None:
    """What the reading of a canonical text depends on besides the number it ends with and the series it begins with;
    ``None`` if on everything.

    A number is read in one way whatever its digits are, its sign, point and exponent aside. 0 is left out
    (``registry.language.canonical``, rule 3). What reads only its own series does not name it.
    """
    tree = condition.tree
    if not isinstance(tree, Comparison) or not isinstance(tree.right, Number) or tree.right.value == 0:
        return None
    number = text.number_text(tree.right.value)
    if float(number) != tree.right.value or not condition.canonical.endswith(f" {number}"):
        return None
    written = condition.canonical.removesuffix(number)
    if len(condition.all_series) == 1:
        written = written.removeprefix(f"{condition.series.instrument} ")
    return (written, *_spelling(number))


@lru_cache(_MOST_SERIES)
def _reads_back(series: Series) -> bool:
    """Whether a canonical text that begins with a series is read as a condition of that series."""
    try:
        return Condition.restored(f"{series}: close > 1").series == series
    except HubError:
        return False


def _brief(error: ConditionError) -> str:
    """The first line of a message, without the excerpt of the text."""
    return str(error).split("\n", 1)[0]


def with_threshold(sibling: Condition, value: float) -> Condition | None:
    """``sibling`` with another number on the right of its comparison; ``None`` if more than the number could differ.

    Once the number is on the right, nothing else in the condition depends on which number it is, except for 0.
    """
    tree, surface = sibling.tree, sibling.surface
    if not (isinstance(tree, Comparison) and isinstance(surface, Comparison)):
        return None
    if not (isinstance(tree.right, Number) and isinstance(surface.right, Number)):
        return None
    number, old, new = Number(value), text.number_text(tree.right.value), text.number_text(value)
    canonical = sibling.canonical.removesuffix(old) + new
    short = sibling.text.removesuffix(old) + new
    if len(short) > TYPED.characters:
        return None
    versions = sibling.definition_versions
    judged = Comparison(tree.operator, tree.left, number)
    tuned = Condition(
        identity(versions, canonical),
        canonical,
        sibling.series,
        judged,
        judged if surface is tree else Comparison(surface.operator, surface.left, number),
        versions,
        sibling.momentary,
        all_series=sibling.all_series,
        text=short,
    )
    if sibling._is_read_back and _spelling(new) == _spelling(old) and float(new) == value:
        tuned._note_read_back()
    return tuned


def _spelling(number: str) -> tuple[bool, bool, bool]:
    """What reading a number depends on besides its digits: its sign, its point and its exponent."""
    return number[0] == "-", "." in number, "e" in number
