"""What the writers of both kernels derive from a record: its functions, and where each value is."""

import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType

from indicators.catalogue import Indicator, IndicatorError, Step


def functions(indicator: Indicator) -> list[FunctionType]:
    """The steps and the functions of this package that they call, callees first."""
    collected: dict[str, FunctionType] = {}

    def visit(function: FunctionType) -> None:
        for name in function.__code__.co_names:
            callee = function.__globals__.get(name)
            if isinstance(callee, FunctionType):
                visit(callee)
            elif callee is not None and not (isinstance(callee, ModuleType) and name == "math"):
                raise IndicatorError(
                    f"{indicator.name}: {function.__name__} uses {name}; only functions and math compile"
                )
        if collected.setdefault(function.__name__, function) is not function:
            raise IndicatorError(f"{indicator.name}: two functions are called {function.__name__}")

    for stage in indicator.stages:
        if isinstance(stage, Step):
            for function in (stage.function, stage.steady):
                if isinstance(function, FunctionType):
                    visit(function)
                elif function is not None:
                    raise IndicatorError(f"{indicator.name}: a step must be a plain function, got {function!r}")
    return list(collected.values())


class Places:
    """Where the values of a kernel are: name -> expression, and how many rows of scratch are in use."""

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        self.arrays = {name: f"input_{name}" for name in indicator.inputs}
        self.rows = 0
        self._outputs = indicator.results

    def place(self, name: str) -> str:
        """Where a result is to be written: an output, or the next row of scratch."""
        if name in self.arrays:
            raise IndicatorError(f"{self.indicator.name}: two stages or inputs are called {name}")
        if name in self._outputs:
            return f"output_{self._outputs.index(name)}"
        self.rows += 1
        return f"scratch[{self.rows - 1}]"

    def array(self, name: str) -> str:
        """Where an input or an earlier result is, for a window."""
        if name not in self.arrays:
            raise IndicatorError(
                f"{self.indicator.name}: a window needs {name}, which is neither an input nor an earlier result"
            )
        return self.arrays[name]

    def finish(self) -> None:
        """Raises :class:`IndicatorError` if an output is not the result of any stage."""
        missing = [name for name in self._outputs if name not in self.arrays]
        if missing:
            raise IndicatorError(f"{self.indicator.name}: no stage gives the output {missing[0]}")


def arguments(indicator: Indicator, step: Step, arrays: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(kind, name) of each argument of a step: ``array``, ``state`` or ``parameter``."""
    parameters = [parameter.name for parameter in indicator.parameters]
    for name in inspect.signature(step.function).parameters:
        kinds = [
            kind
            for kind, known in (("array", arrays), ("state", step.state), ("parameter", parameters))
            if name in known
        ]
        if len(kinds) != 1:
            problem = "is ambiguous" if kinds else "is neither an input, an earlier result, a state nor a parameter"
            raise IndicatorError(f"{indicator.name}: argument {name} of {step.function.__name__} {problem}")
        yield kinds[0], name
    if step.steady is not None and inspect.signature(step.steady) != inspect.signature(step.function):
        raise IndicatorError(
            f"{indicator.name}: {step.function.__name__} and its steady form differ in their arguments"
        )


def parameter_lines(indicator: Indicator) -> Iterator[str]:
    """The assignments of the parameters."""
    for index, parameter in enumerate(indicator.parameters):
        yield f"parameter_{parameter.name} = parameters[{index}]"
