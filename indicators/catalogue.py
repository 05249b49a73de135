"""What an indicator is: the record that validation, identity, kernels, documentation and tests all derive from.

This module and the indicator files beside it import no numba, because records are also read just for a name, a default
or a bound. The compiled kernels are in ``indicators/_kernels/`` and are generated from the records by
``indicators/codegen/`` (``make kernels``).
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Literal

from common.spelling import did_you_mean

Parameters = Mapping[str, float]
"""Parameter name -> value, complete, in the order of the record."""

PRICES = ("open", "high", "low", "close", "volume", "hl2", "hlc3", "ohlc4")
"""What a selectable ``source`` may be. The last three are means of the first four, summed from left to right; the mean
of equal prices is the price, to the last bit."""


class IndicatorError(ValueError):
    """An unknown indicator, output or parameter, or a value out of its bounds."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: a whole number unless ``whole`` is false; bounds are inclusive.

    ``follows`` names an earlier parameter whose value it has unless it is given one of its own.
    """

    name: str
    default: float
    low: float
    high: float
    whole: bool = True
    follows: str | None = None


@dataclass(frozen=True)
class Output:
    """One output. ``low``/``high`` bound its range where it has one; ``centre`` is the value it swings around.

    ``result`` is the stage result that it shows, where that cannot have the output's name because an input has it.
    """

    name: str
    low: float | None = None
    high: float | None = None
    centre: float | None = None
    result: str | None = None


@dataclass(frozen=True)
class Window:
    """A stage: reduce the last ``length`` values of ``over`` (an input or an earlier result), in a fixed order.

    ``kind`` is one of

    - ``sum``; with ``about``, the sum of the distances from that input's or earlier result's newest value, exactly 0 if
      all values equal it;
    - ``deviations``: the sum of the absolute distances from ``about``, which is required;
    - ``moments``: two results, the sum of the distances from the window's newest value and, with ``_spread`` appended
      to the name, that of the squared distances from its mean; both are exactly 0 if all values are equal;
    - ``tilt``: two results, the first as for ``moments`` and, with ``_tilt`` appended to the name, the sum of the
      values, each times its offset from the window's middle; both are exactly 0 if all values are equal;
    - ``weighted``: the sum with weights 1 (oldest) to ``length`` (newest);
    - ``max``, ``min``; ``since_max``, ``since_min``: candles since the newest of the largest or smallest values;
    - ``oldest``: the oldest of the values, which is ``length - 1`` candles old.

    The result is NaN until ``length`` values exist and while one of them is NaN; ``oldest`` is NaN only while that
    value is. ``length`` names a parameter or is a function of all of them.
    """

    name: str
    kind: Literal["sum", "deviations", "moments", "tilt", "weighted", "max", "min", "since_max", "since_min", "oldest"]
    over: str
    length: str | Callable[[Parameters], int]
    about: str | None = None

    @property
    def gives(self) -> tuple[str, ...]:
        """Names of its results."""
        second = {"moments": "spread", "tilt": "tilt"}.get(self.kind)
        return (self.name,) if second is None else (self.name, f"{self.name}_{second}")


Ring = tuple[str, str | Callable[[Parameters], int]]
"""(over, length) of a window."""


@dataclass(frozen=True)
class Step:
    """A stage: a scalar function called once per candle.

    Its arguments are, by name, inputs and earlier results, then the names of ``state``, then parameters. It returns
    the values of ``gives``, then the new values of ``state``, in their order; a single value without a tuple.
    ``state`` holds the start values. The function is plain Python over floats, may call ``math`` and other plain
    functions of this package, and divides as IEEE 754 says (0 / 0 is NaN, nothing raises); the generated kernels
    compile its source.

    ``steady`` is the same function without the parts that only the first candles and missing inputs need: it equals
    ``function`` bit for bit on finite inputs once the indicator has a value. Any other input must make the state
    non-finite for good; a step without a state may pass it on to the next one. Long histories then run several
    stretches of ``steady`` at once.
    """

    function: Callable[..., object]
    gives: tuple[str, ...]
    state: Mapping[str, float] = field(default_factory=dict)
    steady: Callable[..., object] | None = None


@dataclass(frozen=True, eq=False)
class Indicator:
    """A catalogue entry.

    ``inputs`` are candle columns; ``source`` among them is a selectable price, by default ``default_source``, and
    ``day`` the number of the UTC day on which the candle opened. ``source_step`` computes the default source from other
    inputs, so that histories need no array of it.
    ``stages`` run in order; the outputs are results of stages with the same names. ``lookback`` is the number of
    leading candles without a value (TA-Lib's where it has the function); ``settle`` the number of candles after which
    a different start changes the output by less than 1e-6 of its scale. ``rule`` returns what is wrong with a
    combination of parameters, or ``None``. ``undefined`` says, for people, where the definition is 0 / 0 and the value
    NaN although no candle is missing; it is empty if that cannot be. ``version`` changes when the formula does, and
    with it the id of every condition that uses the indicator.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    stages: tuple[Window | Step, ...]
    lookback: Callable[[Parameters], int]
    settle: Callable[[Parameters], int]
    default_output: str | None = "value"
    default_source: str = "close"
    source_step: Step | None = None
    undefined: str = ""
    rule: Callable[[Parameters], str | None] | None = None
    version: int = 1
    history: str = "history"
    """The name of the kernel that computes histories of it, in its generated module."""

    @cached_property
    def of_prices(self) -> "Indicator":
        """The record without ``source``: with the default one, which its ``source_step`` computes."""
        assert self.source_step is not None
        inputs = tuple(name for name in self.inputs if name != "source")
        stages = (self.source_step, *self.stages)
        return replace(self, inputs=inputs, stages=stages, source_step=None, history="history_of_prices")

    def _repr_html_(self) -> str:
        from indicators.notebook import indicator_html

        return indicator_html(self)

    @property
    def has_source(self) -> bool:
        """Whether the user may choose the price it is computed from."""
        return "source" in self.inputs

    @property
    def is_cumulative(self) -> bool:
        """Whether its state never forgets, or only when the candles say so, and different starts never converge."""
        return bool(self.start) and self.settle is self.lookback

    @property
    def results(self) -> tuple[str, ...]:
        """The stage results that the outputs show, in the order of the outputs."""
        return tuple(output.result or output.name for output in self.outputs)

    @property
    def rings(self) -> tuple[Ring, ...]:
        """(over, length) of the values that windows look back on; windows over the same values share one ring."""
        windows = [stage for stage in self.stages if isinstance(stage, Window)]
        return tuple(dict.fromkeys((window.over, window.length) for window in windows))

    def lengths(self, parameters: Parameters) -> tuple[int, ...]:
        """The lengths of the rings, in values."""
        return tuple(length(parameters) if callable(length) else int(parameters[length]) for _, length in self.rings)

    @property
    def start(self) -> tuple[float, ...]:
        """The start values of the state, step by step."""
        steps = [stage for stage in self.stages if isinstance(stage, Step)]
        return tuple(value for step in steps for value in step.state.values())

    def output(self, name: str) -> Output:
        """The output of that name; raises :class:`IndicatorError` with the names that exist."""
        for output in self.outputs:
            if output.name == name:
                return output
        names = [output.name for output in self.outputs]
        raise IndicatorError(
            f"{self.name} has no output {name!r}{did_you_mean(name, names)}; it has {', '.join(names)}"
        )

    def complete(self, chosen: Parameters) -> dict[str, float]:
        """All parameters in the record's order, defaults filled in; raises :class:`IndicatorError`."""
        names = [parameter.name for parameter in self.parameters]
        for name in chosen:
            if name not in names:
                listed = ", ".join(names) or "none"
                raise IndicatorError(
                    f"{self.name} has no parameter {name!r}{did_you_mean(name, names)}; its parameters: {listed}"
                )
        values: dict[str, float] = {}
        for parameter in self.parameters:
            default = parameter.default if parameter.follows is None else values[parameter.follows]
            value = chosen.get(parameter.name, default)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise IndicatorError(f"{self.name}: {parameter.name} must be a number, got {value!r}")
            if parameter.whole and value != value // 1:
                raise IndicatorError(f"{self.name}: {parameter.name} must be a whole number, got {value:g}")
            if not parameter.low <= value <= parameter.high:
                bounds = f"between {parameter.low:g} and {parameter.high:g}"
                raise IndicatorError(f"{self.name}: {parameter.name} must be {bounds}, got {value:g}")
            values[parameter.name] = int(value) if parameter.whole else float(value)
        problem = self.rule(values) if self.rule else None
        if problem is not None:
            raise IndicatorError(f"{self.name}: {problem}")
        return values


NAMES = (
    "sma", "ema", "wma", "dema", "tema", "hma", "rma", "vwma", "kama",
    "rsi", "stoch", "stochrsi", "macd", "ppo", "cci", "mfi", "williams_r", "roc", "mom", "cmo", "ultosc", "trix",
    "adx", "aroon", "psar", "supertrend", "ichimoku",
    "bbands", "keltner", "donchian", "atr", "natr", "stdev",
    "obv", "vwap", "cmf", "ad",
    "heikin_ashi",
    "highest", "lowest", "linreg", "zscore",
)  # fmt: skip
"""The catalogue's entries; each is a module ``indicators/<name>.py`` with a record called ``INDICATOR``."""


@cache
def catalogue() -> dict[str, Indicator]:
    """Name -> record, in the catalogue's order."""
    return {name: importlib.import_module(f"indicators.{name}").INDICATOR for name in NAMES}


@cache
def _spellings() -> dict[str, str]:
    spellings = {}
    for name, record in catalogue().items():
        for spelling in (name, *record.aliases):
            spellings[spelling] = name
    return spellings


def find(name: str) -> Indicator:
    """The record for a name or an alias, in any case; raises :class:`IndicatorError` with the nearest names."""
    folded = name.strip().lower().replace("-", "_").replace(" ", "_")
    known = _spellings()
    if folded in known:
        return catalogue()[known[folded]]
    shown = name if len(name) <= 40 else name[:40] + "…"
    hint = did_you_mean(folded[:40], known)
    raise IndicatorError(f"unknown indicator {shown!r}{hint}; the catalogue has {', '.join(NAMES)}")
