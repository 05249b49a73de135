"""An independent scan: what fires on the sample candles, straight from the formulae with TA-Lib and numpy.

It shares no code with the product. It reads the Parquet files and the bots' own words, with a parser for just what the
demo's population says, and judges whole arrays at once where the product goes candle by candle.

Truth is FALSE -1, UNKNOWN 0, TRUE 1, so Kleene's ``and`` is the smaller, ``or`` the larger and ``not`` the negative.

**Margins.** TA-Lib and the product round differently, so where two sides of a comparison are as good as equal each may
take its own side. The margin of a comparison is ``|a - b|`` relative to the scale of what its sides were computed from
(the prices for averages, bands, MACD and ATR; 100 for RSI and stochastic; 1 for the bandwidth). The margin of a verdict
is the smallest of all comparisons that it looked at, one step before included. Prices, constants, ``highest`` and
``lowest`` are taken over as they are, never computed: comparing two of them has no margin to speak of, an equality is
an equality.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray
from talib._ta_lib import MA_Type

SAMPLE = Path(__file__).parents[3] / "candles" / "sample"
STEP_MS = {"5m": 5 * 60_000, "1h": 60 * 60_000}
AFTER_MS = int(datetime(2024, 8, 4, tzinfo=UTC).timestamp() * 1000)
UNTIL_MS = int(datetime(2024, 8, 7, tzinfo=UTC).timestamp() * 1000)
"""Candles that close after the one and by the other may fire."""

LEAST_MARGIN = 1e-9
"""Below it the oracle does not insist on its verdict."""

Floats = NDArray[np.float64]
Truths = NDArray[np.int8]
_Array = TypeVar("_Array", Truths, Floats)
Tree = tuple[Any, ...]
"""``("all", trees)``, ``("any", trees)``, ``("not", tree)``, or ``(operator, left, right)`` of operands."""


@dataclass(frozen=True)
class Read:
    """An operand: a number, a price, or an output of an indicator with all of its parameters."""

    name: str = ""
    parameters: tuple[float, ...] = ()
    source: str = "close"
    output: str = ""
    number: float = 0.0


@dataclass(frozen=True)
class Wish:
    """What a bot said, taken apart."""

    symbol: str
    timeframe: str
    tree: Tree


@dataclass(frozen=True)
class Verdict:
    """When a wish fires, with the close of that candle, and the candles on which that hangs on a rounding error."""

    fires: Mapping[int, float]
    near: Mapping[int, float]


# What bots say.

_PRICES = ("open", "high", "low", "close", "volume")
_DEFAULTS: dict[str, tuple[tuple[float, ...], str]] = {
    "sma": ((20,), "value"),
    "ema": ((20,), "value"),
    "rsi": ((14,), "value"),
    "macd": ((12, 26, 9), "line"),
    "bbands": ((20, 2), ""),
    "atr": ((14,), "value"),
    "stoch": ((14, 3, 3), "k"),
    "highest": ((20,), "value"),
    "lowest": ((20,), "value"),
}
_OPERATORS = {
    "<": "<", "<=": "<=", ">": ">", ">=": ">=", "lt": "<", "below": "<", "gt": ">", "above": ">",
    "crosses_above": "above", "crosses_over": "above", "crossing_up": "above",
    "crosses_below": "below", "crosses_under": "below", "crossing_down": "below",
}  # fmt: skip
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|[A-Za-z_]\w*|[<>]=?|[(),.])")


def understand(spec: Mapping[str, Any] | str) -> Wish:
    """A flat JSON object or a text of the demo's population. Raises ``ValueError`` for anything else."""
    if isinstance(spec, str):
        header, _, expression = spec.partition(": ")
        symbol, timeframe = header.split()
        return Wish(_folded(symbol), timeframe, _Text(expression).whole())
    said = dict(spec)
    symbol, timeframe = _folded(said.pop("symbol")), said.pop("timeframe")
    name, operator = said.pop("indicator").lower(), _OPERATORS[said.pop("operator")]
    defaults, output = _DEFAULTS[name]
    period = said.pop("period", None)
    left = Read(name, defaults if period is None else (period,), output=said.pop("component", output))
    # MACD swings around 0, so 0 is what a flat condition without a value means.
    right = Read(number=float(said.pop("value") if name != "macd" or "value" in said else 0.0))
    if said:
        raise ValueError(f"fields that the oracle does not know: {said}")
    return Wish(symbol, timeframe, (operator, left, right))


def operand(text: str) -> Read:
    """An operand alone: ``bbands(20, 2).upper``."""
    return _Text(text).operand()


def _folded(symbol: str) -> str:
    return symbol.upper().replace("/", "").replace("-", "")


class _Text:
    """Recursive descent: ``or`` binds loosest, then ``and``, then ``not``, then a comparison."""

    def __init__(self, text: str) -> None:
        self._words = _TOKEN.findall(text)
        if "".join(self._words) != text.replace(" ", ""):
            raise ValueError(f"the oracle cannot read {text!r}")

    def whole(self) -> Tree:
        tree = self._either()
        if self._words:
            raise ValueError(f"left over: {self._words}")
        return tree

    def _either(self) -> Tree:
        parts = [self._both()]
        while self._took("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ("any", tuple(parts))

    def _both(self) -> Tree:
        parts = [self._single()]
        while self._took("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else ("all", tuple(parts))

    def _single(self) -> Tree:
        if self._took("not"):
            return ("not", self._single())
        if self._words[0] in ("all", "any"):
            kind = self._words.pop(0)
            return (kind, tuple(self._listed(self._either)))
        left, operator, right = self.operand(), _OPERATORS[self._words.pop(0)], self.operand()
        return (operator, left, right)

    def operand(self) -> Read:
        word = self._words.pop(0)
        if word[0].isdigit():
            return Read(number=float(word))
        if word in _PRICES:
            return Read(word)
        defaults, output = _DEFAULTS[word]
        arguments = list(self._listed(lambda: self._words.pop(0))) if self._words[:1] == ["("] else []
        source = arguments.pop() if arguments and arguments[-1] in _PRICES else "close"
        written = tuple(float(argument) for argument in arguments)
        if self._took("."):
            output = self._words.pop(0)
        return Read(word, written + defaults[len(written) :], source, output)

    def _listed(self, part: Callable[[], Any]) -> Iterator[Any]:
        self._expect("(")
        yield part()
        while self._took(","):
            yield part()
        self._expect(")")

    def _took(self, word: str) -> bool:
        is_next = self._words[:1] == [word]
        if is_next:
            del self._words[0]
        return is_next

    def _expect(self, word: str) -> None:
        if not self._took(word):
            raise ValueError(f"expected {word!r} before {self._words}")


def reads(tree: Tree) -> Iterator[Read]:
    """All operands of a tree, constants left out."""
    if tree[0] in ("all", "any"):
        for part in tree[1]:
            yield from reads(part)
    elif tree[0] == "not":
        yield from reads(tree[1])
    else:
        yield from (operand for operand in tree[1:] if operand.name)


def is_momentary(tree: Tree, *, negated: bool = False) -> bool:
    """Whether a condition speaks of a moment, so that it fires on every candle on which it is TRUE.

    Asked of what the condition says once every ``not`` stands before a comparison: ``not any(a, b)`` is
    ``all(not a, not b)``. A crossing under ``not`` is no moment (nearly every candle has none), twice under it is one.
    """
    if tree[0] == "not":
        return is_momentary(tree[1], negated=not negated)
    if tree[0] in ("all", "any"):
        one_is_enough = (tree[0] == "all") is not negated
        parts = [is_momentary(part, negated=negated) for part in tree[1]]
        return any(parts) if one_is_enough else all(parts)
    return tree[0] in ("above", "below") and not negated


# What comes of it.


@dataclass(frozen=True)
class _Values:
    """An operand on every candle; ``scale`` is the size of what it was computed from, 0 if it was not computed."""

    values: Floats
    scale: Floats


@dataclass
class _Series:
    """The candles of one series, and every indicator that was asked of it."""

    opens_ms: NDArray[np.int64]
    prices: dict[str, Floats]
    step_ms: int
    _known: dict[Read, _Values] = field(default_factory=dict)

    @cached_property
    def closes_ms(self) -> NDArray[np.int64]:
        return self.opens_ms + self.step_ms

    def read(self, operand: Read) -> _Values:
        if operand not in self._known:
            self._known[operand] = self._compute(operand)
        return self._known[operand]

    def _compute(self, operand: Read) -> _Values:
        nothing = np.zeros(self.opens_ms.size)
        if not operand.name:
            return _Values(np.full(self.opens_ms.size, operand.number), nothing)
        if operand.name in self.prices:
            return _Values(self.prices[operand.name], nothing)
        high, low, close = (self.prices[name] for name in ("high", "low", "close"))
        source = self.prices[operand.source]
        whole = [int(parameter) for parameter in operand.parameters]
        match operand.name, operand.output:
            case "sma", "value":
                computed = _Values(talib.SMA(source, whole[0]), source)
            case "ema", "value":
                computed = _Values(talib.EMA(source, whole[0]), source)
            case "rsi", "value":
                computed = _Values(talib.RSI(source, whole[0]), nothing + 100)
            case "macd", ("line" | "signal" | "histogram") as output:
                lines = dict(zip(("line", "signal", "histogram"), talib.MACD(source, *whole), strict=True))
                computed = _Values(lines[output], source)
            case "atr", "value":
                computed = _Values(talib.ATR(high, low, close, whole[0]), close)
            case "stoch", ("k" | "d") as output:
                # The second and the third length are each followed by a kind of average.
                k, d = talib.STOCH(high, low, close, whole[0], whole[1], MA_Type.SMA, whole[2], MA_Type.SMA)
                computed = _Values(k if output == "k" else d, nothing + 100)
            case "highest", "value":
                computed = _Values(talib.MAX(source, whole[0]), nothing)
            case "lowest", "value":
                computed = _Values(talib.MIN(source, whole[0]), nothing)
            case "bbands", output:
                computed = self._bands(whole[0], operand.parameters[1], source, output)
            case _:
                raise ValueError(f"the oracle does not know {operand}")
        return computed

    def _bands(self, period: int, stddev: float, source: Floats, output: str) -> _Values:
        upper, middle, lower = talib.BBANDS(source, period, stddev, stddev, MA_Type.SMA)
        with np.errstate(divide="ignore", invalid="ignore"):
            if output == "bandwidth":
                return _Values((upper - lower) / middle, np.ones(source.size))
            if output == "percent_b":
                return _Values((source - lower) / (upper - lower), source / (upper - lower))
        return _Values({"upper": upper, "middle": middle, "lower": lower}[output], source)


_SIGNS: dict[str, Callable[[Floats, Floats], NDArray[np.bool_]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Oracle:
    """All series of the sample."""

    def __init__(self) -> None:
        frame = pl.concat(pl.read_parquet(path) for path in sorted(SAMPLE.glob("*.parquet")))
        self._series: dict[tuple[str, str], _Series] = {}
        for (symbol, timeframe), candles in frame.partition_by("symbol", "timeframe", as_dict=True).items():
            opens = candles["open_time"].dt.epoch("ms").to_numpy()
            step_ms = STEP_MS[timeframe]
            # "One step before" is the row before only while no candle is missing.
            assert (np.diff(opens) == step_ms).all()
            prices = {name: candles[name].to_numpy() for name in _PRICES}
            self._series[symbol, timeframe] = _Series(opens, prices, step_ms)

    def history(self, wish: Wish) -> int:
        """How many candles of the wish's series close by the beginning of the time in which it may fire."""
        return int((self._series[wish.symbol, wish.timeframe].closes_ms <= AFTER_MS).sum())

    def value(self, symbol: str, timeframe: str, operand: Read, close_ms: int) -> tuple[float, float]:
        """An operand's value on the candle that closes then, and its scale, 0 where it must be met exactly."""
        series = self._series[symbol, timeframe]
        row = int((close_ms - series.closes_ms[0]) // series.step_ms)
        column = series.read(operand)
        return float(column.values[row]), float(column.scale[row])

    def judge(self, wish: Wish) -> Verdict:
        """When the wish fires within the time of the demo."""
        series = self._series[wish.symbol, wish.timeframe]
        truth, margin = _judge(series, wish.tree)
        if is_momentary(wish.tree):
            fires = truth == 1
        else:
            # It depends on the truth before as well, so on its margin too.
            fires = (truth == 1) & (_before(truth, 0) == -1)
            margin = np.minimum(margin, _before(margin, np.inf))
        counted = (series.closes_ms > AFTER_MS) & (series.closes_ms <= UNTIL_MS)
        rows, near = (np.flatnonzero(counted & chosen) for chosen in (fires, margin < LEAST_MARGIN))
        return Verdict(
            fires={int(series.closes_ms[row]): float(series.prices["close"][row]) for row in rows},
            near={int(series.closes_ms[row]): float(margin[row]) for row in near},
        )


def _judge(series: _Series, tree: Tree) -> tuple[Truths, Floats]:
    """The truth on every candle, and its margin there."""
    if tree[0] == "not":
        truth, margin = _judge(series, tree[1])
        return -truth, margin
    if tree[0] in ("all", "any"):
        truths, margins = zip(*(_judge(series, part) for part in tree[1]), strict=True)
        fold = np.minimum if tree[0] == "all" else np.maximum
        return fold.reduce(truths), np.minimum.reduce(margins)
    operator, left, right = tree
    a, b = series.read(left), series.read(right)
    margin = _margin(a, b)
    if operator not in ("above", "below"):
        return _compare(operator, a.values, b.values), margin
    beyond, up_to = (">", "<=") if operator == "above" else ("<", ">=")
    now = _compare(beyond, a.values, b.values)
    before = _before(_compare(up_to, a.values, b.values), 0)
    return np.minimum(now, before), np.minimum(margin, _before(margin, np.inf))


def _compare(sign: str, a: Floats, b: Floats) -> Truths:
    known = np.isfinite(a) & np.isfinite(b)
    return np.where(known, np.where(_SIGNS[sign](a, b), 1, -1), 0).astype(np.int8)


def _margin(a: _Values, b: _Values) -> Floats:
    scale = np.maximum(np.abs(a.scale), np.abs(b.scale))
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = np.abs(a.values - b.values) / scale
    # Nothing was computed, or one side does not exist yet: no rounding can change the verdict.
    return np.where((scale > 0) & np.isfinite(margin), margin, np.inf)


def _before(values: _Array, first: float) -> _Array:
    """The values of one step before; ``first`` where there is none."""
    shifted = np.empty_like(values)
    shifted[0] = first
    shifted[1:] = values[:-1]
    return shifted
