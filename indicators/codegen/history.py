"""Writes history kernels: one series, span by span, and several series at once.

The values that a window looks back on precede its span: in the series itself or, for values between two stages, in a
margin before them. Only the first span has the carried values put before it.
"""

from collections.abc import Iterator
from inspect import signature
from itertools import groupby

from indicators.catalogue import Indicator, IndicatorError, Step, Window
from indicators.codegen.groups import StepGroup, over_many, over_one
from indicators.codegen.stages import parameter_lines

_SPAN = 4_096
"""Candles taken through the stages at a time: the values between stages stay in the cache."""

_LANES_SPAN = 262_144
"""The same where a step runs in lanes, whose stretches have to be long compared with their warm-up. If nothing lies
between stages, there is only one span."""

_HEAD = '''
@njit(cache=True, nogil=True, error_model="numpy")
def {name}(inputs, parameters, state, carries, outputs, seed, warm):
    """Continue one series from the state and the carried values, which are updated to those at its end."""
    stay_apart()
'''

_MANY_HEAD = '''
@njit(cache=True, nogil=True, error_model="numpy")
def {name}_many(inputs, parameters, state, carries, outputs, seed, warm):
    """The same for several series: every array has an additional first axis."""
'''


def history_kernel(indicator: Indicator) -> str:
    """The source: the functions of its groups, then the two kernels."""
    writer = _HistoryWriter(indicator)
    stages = writer.stages()
    sources = [over_one(group) for group in writer.groups]
    whole, *others = _groups(indicator)
    if isinstance(whole, StepGroup) and whole.is_steady and not others:
        sources.append(over_many(whole, "".join(sources)))
        rows = _beside(whole)
    else:
        rows = _one_by_one(indicator)
    kernels = [*writer.lines(stages)], [*rows]
    bodies = ["".join(f"    {line}\n" for line in lines) for lines in kernels]
    heads = [head.format(name=indicator.history) for head in (_HEAD, _MANY_HEAD)]
    return "".join(sources) + heads[0] + bodies[0] + "\n" + heads[1] + bodies[1]


def _groups(indicator: Indicator) -> Iterator[Window | StepGroup]:
    """Windows, and groups of the steps between them."""
    known = [*indicator.inputs]
    for _, stages in groupby(indicator.stages, key=lambda stage: isinstance(stage, Step)):
        run = tuple(stages)
        steps = [stage for stage in run if isinstance(stage, Step)]
        if steps:
            used = {*indicator.results}
            for stage in indicator.stages:
                if stage not in steps:
                    used |= (
                        {stage.over, stage.about or ""}
                        if isinstance(stage, Window)
                        else {*signature(stage.function).parameters}
                    )
            yield StepGroup(
                indicator, steps, tuple(known), [name for step in steps for name in step.gives if name in used]
            )
        else:
            yield from (stage for stage in run if isinstance(stage, Window))
        known += [name for stage in run for name in stage.gives]


class _HistoryWriter:
    """Writes the kernel of one series, and remembers which functions it calls."""

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        self.groups: list[StepGroup] = []
        self._arrays = {name: f"input_{name}" for name in indicator.inputs}
        self._rows = 0
        steps = [stage for stage in indicator.stages if isinstance(stage, Step) and stage.state]
        self._runs_in_lanes = not indicator.is_cumulative and any(step.steady is not None for step in steps)
        self._ringed = [over for over, _ in indicator.rings]
        self._between = [name for name in dict.fromkeys(self._ringed) if self._whole(name) is None]

    def stages(self) -> list[str]:
        """The lines that run the stages over one span."""
        indicator = self.indicator
        lines = [f"input_{name} = inputs[{index}][begin:end]" for index, name in enumerate(indicator.inputs)]
        for segment in _groups(indicator):
            if isinstance(segment, Window):
                lines += self._window(segment)
            else:
                self.groups.append(segment)
                lines += self._group(segment)
        missing = [name for name in indicator.results if name not in self._arrays]
        if missing:
            raise IndicatorError(f"{indicator.name}: no stage gives the output {missing[0]}")
        return lines

    def lines(self, stages: list[str]) -> Iterator[str]:
        """The kernel's body around the lines of its stages."""
        carried = [index for index, name in enumerate(self._ringed) if self._whole(name) is not None]
        between = bool(self._rows or self._between)
        span = "size" if self._runs_in_lanes and not between else str(_LANES_SPAN if self._runs_in_lanes else _SPAN)
        yield from parameter_lines(self.indicator)
        yield "size = outputs[0].size"
        if self._rows:
            yield f"scratch = stretches.room({self._rows}, min({span}, size))"
        for name in self._between:
            rings = [index for index, over in enumerate(self._ringed) if over == name]
            yield f"margin_{name} = {_longest(rings)}"
            yield f"between_{name} = np.empty(margin_{name} + min({span}, size))"
            for index in rings:
                yield f"between_{name}[margin_{name} - carries[{index}].size : margin_{name}] = carries[{index}]"
        first = span
        if carried:
            # The first span is as long as the carried values; windows of one value look back on nothing.
            yield f"lead = {_longest(carried)}"
            first = f"lead if lead > 0 else {span}"
        yield f"begin, end = 0, min({first}, size)"
        yield "while begin < size:"
        yield from (f"    {line}" for line in stages)
        for name in self._between:
            yield f"    windows.move_down(between_{name}, margin_{name}, end - begin)"
        yield f"    begin, end = end, min(end + {span}, size)"
        for index, name in enumerate(self._ringed):
            if index in carried:
                yield f"windows.keep(carries[{index}], {self._whole(name)})"
            else:
                yield f"carries[{index}][:] = between_{name}[margin_{name} - carries[{index}].size : margin_{name}]"

    def _whole(self, name: str) -> str | None:
        """The whole array of an input or output, ``None`` for values between stages."""
        if name in self.indicator.inputs:
            return f"inputs[{self.indicator.inputs.index(name)}]"
        if name in self.indicator.results:
            return f"outputs[{self.indicator.results.index(name)}]"
        return None

    def _place(self, name: str) -> str:
        """The line that names where a result is written."""
        if name in self._arrays:
            raise IndicatorError(f"{self.indicator.name}: two stages or inputs are called {name}")
        self._arrays[name] = f"result_{name}"
        if name in self.indicator.results:
            return f"result_{name} = outputs[{self.indicator.results.index(name)}][begin:end]"
        if name in self._between:
            return f"result_{name} = between_{name}[margin_{name} : margin_{name} + end - begin]"
        self._rows += 1
        return f"result_{name} = scratch[{self._rows - 1}][: end - begin]"

    def _window(self, stage: Window) -> Iterator[str]:
        for name in (stage.over, stage.about):
            if name is not None and name not in self._arrays:
                raise IndicatorError(
                    f"{self.indicator.name}: a window needs {name}, which is no input or earlier result"
                )
        ring = self.indicator.rings.index((stage.over, stage.length))
        size = f"carries[{ring}].size"
        whole = self._whole(stage.over)
        if whole is None:
            margin = f"margin_{stage.over}"
            extended = f"between_{stage.over}[{margin} - {size} : {margin} + end - begin]"
        else:
            extended = f"windows.head(carries[{ring}], {whole}[:end]) if begin == 0 else {whole}[begin - {size} : end]"
        if stage.kind == "oldest" and stage.name not in self.indicator.results:
            yield f"extended_{ring} = {extended}"
            yield f"result_{stage.name} = extended_{ring}[: end - begin]"
            self._arrays[stage.name] = f"result_{stage.name}"
            return
        yield f"extended_{ring} = {extended}"
        placed = [self._place(name) for name in stage.gives]
        kind = stage.kind + ("" if stage.about is None else "_about")
        arrays = [] if stage.about is None else [self._arrays[stage.about]]
        arrays += [f"result_{name}" for name in stage.gives]
        module = "windows" if len(stage.gives) == 1 else "moments"
        reduced = [*placed, f"{module}.history_{kind}(extended_{ring}, {size} + 1, {', '.join(arrays)})"]
        if not self._is_rolling_on_demand(stage):
            yield from reduced
            return
        yield f"if {size} == 0:"
        yield f"    result_{stage.name} = extended_{ring}"
        yield "else:"
        yield from (f"    {line}" for line in reduced)

    def _is_rolling_on_demand(self, stage: Window) -> bool:
        """Whether by default it sums a single value, which is the value itself."""
        lengths = self.indicator.lengths(self.indicator.complete({}))
        length = lengths[self.indicator.rings.index((stage.over, stage.length))]
        return length == 1 and stage.kind == "sum" and stage.name not in self.indicator.results

    def _group(self, group: StepGroup) -> Iterator[str]:
        read = [self._arrays[name] for name in group.reads]
        yield from (self._place(name) for name in group.wanted)
        arrays = [*read, *(f"result_{name}" for name in group.wanted)]
        if not group.state:
            yield f"loop_{group.name}({', '.join(arrays)}, parameters)"
            return
        first = [name for step in self.indicator.stages if isinstance(step, Step) for name in step.state].index(
            next(iter(group.state))
        )
        passed = [f"state[{first} : {first + len(group.state)}]", "parameters"]
        if group.is_steady and not self.indicator.is_cumulative:
            yield f"spread_{group.name}({', '.join([*arrays, *passed])}, seed, warm)"
        else:
            called = "go_on" if group.is_steady else "scan"
            yield f"{called}_{group.name}({', '.join([*arrays, 'np.int64(0)', 'end - begin', *passed])})"


def _longest(rings: list[int]) -> str:
    """The number of values that the longest of the rings carries."""
    sizes = [f"carries[{index}].size" for index in rings]
    return sizes[0] if len(sizes) == 1 else f"max({', '.join(sizes)})"


def _beside(group: StepGroup) -> Iterator[str]:
    indicator = group.indicator
    arrays = [f"inputs[{indicator.inputs.index(name)}]" for name in group.reads]
    arrays += [f"outputs[{indicator.results.index(name)}]" for name in group.wanted]
    yield f"beside_{group.name}({', '.join(arrays)}, state, parameters, seed)"


def _one_by_one(indicator: Indicator) -> Iterator[str]:
    def rows(array: str, count: int) -> str:
        return f"({''.join(f'{array}[{index}][row], ' for index in range(count))})"

    inputs, outputs = rows("inputs", len(indicator.inputs)), rows("outputs", len(indicator.outputs))
    carries = rows("carries", len(indicator.rings)) if indicator.rings else "carries"
    yield "for row in range(outputs[0].shape[0]):"
    yield f"    {indicator.history}({inputs}, parameters, state[row], {carries}, {outputs}, seed, warm)"
