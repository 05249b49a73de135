"""Writes live kernels, which move all lanes by one candle."""

from collections.abc import Iterator

from indicators.catalogue import Indicator, Step, Window
from indicators.codegen.stages import Places, arguments, parameter_lines

_HEAD = '''
@njit(cache=True, nogil=True, error_model="numpy")
def live(inputs, rows, first, parameters, state, memory, table, windows, turn, outputs, scratch):
    """Move all lanes by one candle; ``turn`` counts the candles before it, lane ``i`` reads column ``first + i``."""
    stay_apart()
    last = first + outputs.shape[1]
'''


def live_kernel(indicator: Indicator) -> tuple[str, int]:
    """The source, and the number of scratch rows that it needs."""
    places = Places(indicator)
    lines = [f"input_{name} = inputs[rows[{index}], first:last]" for index, name in enumerate(indicator.inputs)]
    lines += [f"output_{index} = outputs[{index}]" for index in range(len(indicator.outputs))]
    lines += parameter_lines(indicator)
    filled: set[int] = set()
    first_state = number = 0
    for stage in indicator.stages:
        for name in stage.gives:
            lines.append(f"result_{name} = {places.place(name)}")
        if isinstance(stage, Window):
            lines += _window(places, stage, number, filled)
            number += 1
        else:
            lines += _step(places, stage, first_state)
            first_state += len(stage.state)
        places.arrays |= {name: f"result_{name}" for name in stage.gives}
    places.finish()
    return _HEAD + "".join(f"    {line}\n" for line in lines), places.rows


def _window(places: Places, stage: Window, number: int, filled: set[int]) -> Iterator[str]:
    ring = places.indicator.rings.index((stage.over, stage.length))
    if ring not in filled:
        filled.add(ring)
        yield f"rings.put(memory, table, {ring}, turn, {places.array(stage.over)})"
    about = "" if stage.about is None else "_about"
    passed = [f"memory, table, {ring}, windows[{number}, 1], turn, windows[{number}, 0]"]
    passed += [] if stage.about is None else [places.array(stage.about)]
    passed += [f"result_{name}" for name in stage.gives]
    module = "rings" if len(stage.gives) == 1 else "moment_rings"
    yield f"{module}.live_{stage.kind}{about}({', '.join(passed)})"


def _step(places: Places, stage: Step, first_state: int) -> Iterator[str]:
    """The loop over the lanes; the state is in rows, one per value."""
    spelled = {"array": "{}[lane]", "state": "state_{}[lane]", "parameter": "parameter_{}"}
    passed = [
        spelled[kind].format(places.arrays[name] if kind == "array" else name)
        for kind, name in arguments(places.indicator, stage, places.arrays)
    ]
    targets = [f"result_{name}[lane]" for name in stage.gives] + [f"state_{name}[lane]" for name in stage.state]
    for position, name in enumerate(stage.state, first_state):
        yield f"state_{name} = state[{position}]"
    yield "for lane in range(outputs.shape[1]):"
    yield f"    {', '.join(targets)} = {stage.function.__name__}({', '.join(passed)})"
