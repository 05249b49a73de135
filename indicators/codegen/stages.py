"""What the writers of both kernels know of a record: its functions, and where each value stands."""

import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType

from indicators.catalogue import Indicator, IndicatorError, Step


def functions(indicator: Indicator) -> list[FunctionType]:
    """The steps and the functions of this package that they call, callees first."""
    found: dict[str, FunctionType] = {}

    def visit(function: FunctionType) -> None:
        for name in function.__code__.co_names:
            callee = function.__globals__.get(name)
            if isinstance(callee, FunctionType):
                visit(callee)
            elif callee is not None and not (isinstance(callee, ModuleType) and name == "math"):
                raise IndicatorError(
                    f"{indicator.name}: {function.__name__} uses {name}; only functions and math compile"
                )
        if found.setdefault(function.__name__, function) is not function:
            raise IndicatorError(f"{indicator.name}: two functions are called {function.__name__}")

    for stage in indicator.stages:
        if isinstance(stage, Step):
            for function in (stage.function, stage.steady):
                if isinstance(function, FunctionType):
                    visit(function)
                elif function is not None:
                    raise IndicatorError(f"{indicator.name}: a step must be a plain function, got {function!r}")
    return list(found.values())


class Places:
    """Where the values of a kernel stand: name -> expression, and which rows of the scratch are taken."""

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        self.arrays = {name: f"input_{name}" for name in indicator.inputs}
        self.rows = 0
        self._outputs = indicator.results

    def given(self, name: str) -> str:
        """Where a result is to be written: an output, or the next row of the scratch."""
        if name in self.arrays:
            raise IndicatorError(f"{self.indicator.name}: two stages or inputs are called {name}")
        if name in self._outputs:
            return f"output_{self._outputs.index(name)}"
        self.rows += 1
        return f"scratch[{self.rows - 1}]"

    def array(self, name: str) -> str:
        """Where a window finds an input or an earlier result."""
        if name not in self.arrays:
            raise IndicatorError(f"{self.indicator.name}: a window needs {name}, which is no input or earlier result")
        return self.arrays[name]

    def finish(self) -> None:
        """Raises :class:`IndicatorError` unless every output was given."""
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
            problem = "is ambiguous" if kinds else "is no input, earlier result, state or parameter"
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
