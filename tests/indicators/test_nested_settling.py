"""Where settling times add up, they do so on real candles."""

import os

import numpy as np
import pytest

from indicators.catalogue import Indicator, catalogue
from indicators.compute import Array, input_arrays, scan, start
from indicators.nested_settling import ADDS_UP
from tests.indicators.measuring import FIRST_START, UNSETTLED
from tests.indicators.reference import Columns

SINGLE = [record for record in catalogue().values() if record.has_source]
EFFORT = int(os.environ.get("HUB_TEST_EFFORT", "1"))


def nested(outer: Indicator, inner: Indicator, output: int, columns: Columns) -> Array:
    """float64[n_outputs, n]: the outer indicator over an output of the inner one, with defaults."""
    source = scanned(inner, input_arrays(inner, columns))[output]
    return scanned(outer, input_arrays(outer, columns, source.copy()))


def scanned(record: Indicator, inputs: tuple[Array, ...]) -> Array:
    parameters = record.complete({})
    return scan(record, parameters, start(record, parameters), inputs)


@pytest.mark.parametrize("name", ADDS_UP)
def test_settling_times_add_up(name: str, markets: dict[str, Columns]) -> None:
    """Over every output of every indicator with a source, from other starts on several markets."""
    outer = catalogue()[name]
    rows = [place for place, output in enumerate(outer.outputs) if output.name in ADDS_UP[name]]
    assert len(rows) == len(ADDS_UP[name])
    for inner in SINGLE:
        settled = outer.settle(outer.complete({})) + inner.settle(inner.complete({}))
        for place, output in enumerate(inner.outputs):
            for columns in list(markets.values())[: 2 * EFFORT]:
                whole = nested(outer, inner, place, columns)[rows]
                scale = np.nanmax(np.abs(whole), axis=1, keepdims=True)
                for begin in range(FIRST_START, columns["close"].size - settled, 999 // min(EFFORT, 3)):
                    later = {column: values[begin:] for column, values in columns.items()}
                    again = nested(outer, inner, place, later)[rows, settled:]
                    apart = np.abs(again - whole[:, begin + settled :])
                    assert np.nanmax(apart / scale) < UNSETTLED, f"{name} of {inner.name}.{output.name} from {begin}"


def test_outputs_exist() -> None:
    for name, outputs in ADDS_UP.items():
        assert catalogue()[name].has_source
        assert {catalogue()[name].output(output).name for output in outputs} == set(outputs)
