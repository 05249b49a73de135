"""What may be supposed: another parameter, another definition of an indicator, gaps that are filled."""

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from analysis.stretches import Calculation, Outputs, computed, source_values
from candles.files.raw import CANDLE_SCHEMA
from candles.fill import fill_gaps
from candles.quality import gaps_between
from common.errors import HubError, WhatIfError
from common.spelling import did_you_mean
from engine.calendars import Calendars
from indicators.catalogue import Indicator, IndicatorError, find
from indicators.compute import Array, Candles, input_arrays
from registry.conditions import Condition
from registry.language.tree import IndicatorOutput, Variable, readings

Definition = Callable[..., Any]
"""``compute(columns, **parameters)``: an array, or a mapping of output -> array."""

_NUMBER = r"[+-]?[\d.]+(?:e[+-]?\d+)?"


class SupposedChange(Protocol):
    """A supposed change."""

    def concerns(self, condition: Condition) -> bool:
        """Whether it can change anything about a condition."""
        ...

    def condition(self, condition: Condition) -> Condition:
        """The condition as it would be; raises :class:`common.errors.WhatIfError` if it could not be."""
        ...

    def candles(self, candles: pl.DataFrame, calendars: Calendars) -> pl.DataFrame:
        """The candles of a series as they would be, oldest first."""
        ...

    def compute(
        self,
        calculation: Calculation,
        outputs: Sequence[IndicatorOutput],
        columns: Candles,
        values: Mapping[Variable, Array],
    ) -> Outputs:
        """The outputs of a calculation as they would be."""
        ...


class _AsItIs:
    """No change."""

    def concerns(self, condition: Condition) -> bool:  # noqa: ARG002 - like all changes
        return True

    def condition(self, condition: Condition) -> Condition:
        return condition

    def candles(self, candles: pl.DataFrame, calendars: Calendars) -> pl.DataFrame:  # noqa: ARG002 - like all changes
        return candles

    def compute(
        self,
        calculation: Calculation,
        outputs: Sequence[IndicatorOutput],
        columns: Candles,
        values: Mapping[Variable, Array],
    ) -> Outputs:
        return computed(calculation, outputs, columns, values)


AS_IT_IS: SupposedChange = _AsItIs()


class FilledGaps(_AsItIs):
    """A missing candle is a flat one at the close before, with volume 0."""

    def candles(self, candles: pl.DataFrame, calendars: Calendars) -> pl.DataFrame:
        filled = fill_gaps(candles, gaps_between(candles, calendars), calendars)
        return pl.concat([candles.select(*CANDLE_SCHEMA), filled]).sort("open_time")


@dataclass(frozen=True)
class OtherParameter(_AsItIs):
    """An indicator has another value of a parameter, wherever it is read."""

    indicator: Indicator
    name: str
    value: float

    @classmethod
    def parse(cls, text: str) -> "OtherParameter":
        """``rsi.period=21``. Raises :class:`common.errors.WhatIfError`."""
        match = re.fullmatch(rf"\s*(\w+)\.(\w+)\s*=\s*({_NUMBER})\s*", text)
        if match is None:
            raise WhatIfError(f"{text!r} is no parameter with a value; write rsi.period=21")
        indicator = _find(match[1])
        known = {parameter.name: parameter for parameter in indicator.parameters}
        if match[2] not in known:
            hint = did_you_mean(match[2], known)
            raise WhatIfError(f"{indicator.name} has no parameter {match[2]!r}{hint}; it has {', '.join(known)}")
        parameter, value = known[match[2]], float(match[3])
        if not parameter.low <= value <= parameter.high or (parameter.whole and not value.is_integer()):
            kind = "a whole number" if parameter.whole else "a number"
            raise WhatIfError(f"{text}: it is {kind} from {parameter.low:g} to {parameter.high:g}")
        return cls(indicator, parameter.name, value)

    def concerns(self, condition: Condition) -> bool:
        return _reads(condition, self.indicator) and self._text(condition) != condition.canonical

    def condition(self, condition: Condition) -> Condition:
        try:
            return Condition.restored(self._text(condition))
        except (HubError, IndicatorError) as error:
            raise WhatIfError(f"{condition}: {error}") from None

    def _text(self, condition: Condition) -> str:
        """The canonical text, in which every parameter is written out, in the order of the record."""
        place = [parameter.name for parameter in self.indicator.parameters].index(self.name)
        before = rf"{_NUMBER}, " * place
        pattern = rf"((?<![\w.:]){re.escape(self.indicator.name)}\({before}){_NUMBER}"
        value = f"{self.value:.0f}" if self.value.is_integer() else repr(self.value)
        return re.sub(pattern, lambda match: f"{match[1]}{value}", condition.canonical)


@dataclass(frozen=True)
class OtherDefinition(_AsItIs):
    """An indicator is computed by a function of the operator's: the parameters and outputs stay what they are."""

    indicator: Indicator
    definition: Definition

    @classmethod
    def parse(cls, text: str) -> "OtherDefinition":
        """``rsi=FILE.py``; the file has a function ``compute(columns, **parameters)``.

        ``columns`` has the inputs of the indicator by name, ``source`` among them if it has one, each float64[n]; the
        function returns float64[n], or a mapping of output -> float64[n]. Raises :class:`common.errors.WhatIfError`.
        """
        name, equals, file = text.partition("=")
        if not equals or not file.strip():
            raise WhatIfError(f"{text!r} names no definition; write rsi=FILE.py")
        return cls(_find(name.strip()), _load(Path(file.strip())))

    def concerns(self, condition: Condition) -> bool:
        return _reads(condition, self.indicator)

    def compute(
        self,
        calculation: Calculation,
        outputs: Sequence[IndicatorOutput],
        columns: Candles,
        values: Mapping[Variable, Array],
    ) -> Outputs:
        name, parameters, source = calculation
        if name != self.indicator.name:
            return computed(calculation, outputs, columns, values)
        inputs = _inputs(self.indicator, columns, source, values)
        size = len(columns["close"])
        try:
            result = self.definition(inputs, **dict(parameters))
            by_name = result if isinstance(result, Mapping) else {self.indicator.outputs[0].name: result}
            arrays = {each: np.asarray(by_name[each.output], np.float64) for each in outputs}
        except Exception as error:
            raise WhatIfError(f"the definition of {name} fails: {type(error).__name__}: {error}") from error
        for each, array in arrays.items():
            if array.shape != (size,):
                raise WhatIfError(f"the definition of {name} returns {array.shape} for {each.output}, not ({size},)")
        return arrays


def _inputs(
    indicator: Indicator, columns: Candles, source: object, values: Mapping[Variable, Array]
) -> dict[str, Array]:
    chosen = source if source is None or isinstance(source, str) else source_values(source, columns, values)  # type: ignore[arg-type]
    arrays = input_arrays(indicator, columns, chosen)
    names = indicator.inputs if len(arrays) == len(indicator.inputs) else indicator.of_prices.inputs
    return dict(zip(names, arrays, strict=True))


def _find(name: str) -> Indicator:
    try:
        return find(name)
    except IndicatorError as error:
        raise WhatIfError(str(error)) from None


def _reads(condition: Condition, indicator: Indicator) -> bool:
    return any(
        isinstance(each, IndicatorOutput) and each.indicator == indicator.name for each in readings(condition.tree)
    )


def _load(path: Path) -> Definition:
    spec = importlib.util.spec_from_file_location(f"whatif_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise WhatIfError(f"{path}: there is no Python file of this name")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise WhatIfError(f"{path}: {type(error).__name__}: {error}") from error
    definition = getattr(module, "compute", None)
    if not callable(definition):
        raise WhatIfError(f"{path}: it has no function compute(columns, **parameters)")
    return definition  # type: ignore[no-any-return]
