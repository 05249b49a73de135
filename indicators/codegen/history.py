"""Writes history kernels: one series, span by span.

A step with a steady form runs in chains. A recursion has to wait for its last result before it can go on; several
stretches of one series at once fill that wait. Each stretch but the first starts from a state that was warmed up on the
candles before it. Where that state is, to the last bit, the one that the stretch before it ends with, the results are
those of the plain loop; where it is not, the stretch is done again from the right state. What is not finite sticks in
the state of a steady form: a span in which that happened is done again by the plain loop.
"""

import math
from collections.abc import Iterator

from indicators.catalogue import Indicator, Step, Window
from indicators.codegen.stages import Places, arguments, parameter_lines

_SPAN = 8_192
"""Candles taken through the stages at a time: what stands between stages stays in the cache."""

_CHAINS_SPAN = 32_768
"""The same where a step runs in chains, which have to be long beside the candles that they warm up with."""

_LONE_CHAINS_SPAN = 262_144
"""The same where nothing stands between stages."""

_HEAD = '''
@njit(cache=True, nogil=True, error_model="numpy")
def history(inputs, parameters, state, carries, outputs, seed, warm):
    """Go on with one series, from the state and the carried values on, which become those at its end."""
'''


def history_kernel(indicator: Indicator) -> str:
    """The source: the functions of its steps with state, then the kernel."""
    places = Places(indicator)
    spans: list[str] = [f"input_{name} = inputs[{index}][begin:end]" for index, name in enumerate(indicator.inputs)]
    spans += [f"output_{index} = outputs[{index}][begin:end]" for index in range(len(indicator.outputs))]
    helpers = ""
    filled: list[str] = []
    first_state = 0
    chained = False
    for stage in indicator.stages:
        for name in stage.gives:
            place = places.given(name)
            spans.append(f"result_{name} = {place}{'' if place.startswith('output') else '[: end - begin]'}")
        if isinstance(stage, Window):
            spans += _window(places, stage, filled)
        elif stage.state:
            helpers += _recursion(places, stage)
            chained = chained or stage.steady is not None
            spans.append(_call(places, stage, first_state))
            first_state += len(stage.state)
        else:
            spans += _loop(places, stage)
        places.arrays |= {name: f"result_{name}" for name in stage.gives}
    places.finish()
    spans += [f"windows.keep(carries[{index}], {values})" for index, values in enumerate(filled)]
    span = _SPAN if not chained else _CHAINS_SPAN if places.rows else _LONE_CHAINS_SPAN
    lines = [*parameter_lines(indicator), "size = outputs[0].size"]
    if places.rows:
        lines.append(f"scratch = np.empty(({places.rows}, min({span}, size)))")
    lines += [f"for begin in range(0, size, {span}):", f"    end = min(begin + {span}, size)"]
    lines += [f"    {line}" for line in spans]
    return helpers + _HEAD + "".join(f"    {line}\n" for line in lines)


def _window(places: Places, stage: Window, filled: list[str]) -> Iterator[str]:
    ring = places.indicator.rings.index((stage.over, stage.length))
    values = places.array(stage.over)
    if ring == len(filled):
        filled.append(values)
        yield f"head_{ring} = windows.head(carries[{ring}], {values})"
        yield f"cut_{ring} = min(carries[{ring}].size, end - begin)"
    kind = stage.kind + ("" if stage.about is None else "_about")
    results = [f"result_{name}" for name in stage.gives]
    arrays = ([] if stage.about is None else [places.array(stage.about)]) + results
    for extended, part in ((f"head_{ring}", f"[:cut_{ring}]"), (values, f"[cut_{ring}:]")):
        cut = ", ".join(f"{array}{part}" for array in arrays)
        yield f"windows.history_{kind}({extended}, carries[{ring}].size + 1, {cut})"


def _loop(places: Places, stage: Step) -> Iterator[str]:
    """A step without state."""
    given = [
        f"{places.arrays[name]}[i]" if kind == "array" else f"parameter_{name}"
        for kind, name in arguments(places.indicator, stage, places.arrays)
    ]
    yield "for i in range(end - begin):"
    targets = ", ".join(f"result_{name}[i]" for name in stage.gives)
    yield f"    {targets} = {stage.function.__name__}({', '.join(given)})"


def _call(places: Places, stage: Step, first_state: int) -> str:
    name = stage.function.__name__
    read = [
        f"{places.arrays[array]}"
        for kind, array in arguments(places.indicator, stage, places.arrays)
        if kind == "array"
    ]
    passed = [*read, *(f"result_{given}" for given in stage.gives)]
    passed += [f"state[{first_state} : {first_state + len(stage.state)}]", "parameters"]
    if stage.steady is not None:
        return f"spread_{name}({', '.join(passed)}, seed, warm)"
    return f"scan_{name}({', '.join(passed)})"


def _recursion(places: Places, stage: Step) -> str:
    """The functions of a step with state: the plain loop, and the chains where it has a steady form."""
    name = stage.function.__name__
    arrays = [array for kind, array in arguments(places.indicator, stage, places.arrays) if kind == "array"]
    every = [*(f"in_{array}" for array in arrays), *(f"out_{given}" for given in stage.gives)]
    lines = [f"def scan_{name}({', '.join(every)}, state, parameters):", "    stay_apart()"]
    lines += [f"    {line}" for line in parameter_lines(places.indicator)]
    lines += [f"    state_{held} = state[{position}]" for position, held in enumerate(stage.state)]
    targets = [f"out_{given}[i]" for given in stage.gives] + [f"state_{held}" for held in stage.state]
    lines.append(f"    for i in range(out_{stage.gives[0]}.size):")
    lines.append(f"        {', '.join(targets)} = {name}({', '.join(_given(places, stage, '', ''))})")
    lines += [f"    state[{position}] = state_{held}" for position, held in enumerate(stage.state)]
    source = _compiled(lines)
    if stage.steady is not None:
        source += _compiled(_chains(places, stage, arrays)) + _compiled(_spread(stage, arrays))
    return source


def _chains(places: Places, stage: Step, arrays: list[str]) -> Iterator[str]:
    """The steady form over several stretches at once: ``count`` candles from ``begin`` on, ``apart`` candles apart."""
    assert stage.steady is not None
    chains = _count(stage)
    every = [*(f"in_{array}" for array in arrays), *(f"out_{given}" for given in stage.gives)]
    where = "begin, first, apart, out_apart, count, states, parameters"
    yield f"def chains_{stage.function.__name__}({', '.join(every)}, {where}):"
    yield "    stay_apart()"
    yield from (f"    {line}" for line in parameter_lines(places.indicator))
    for chain in range(chains):
        for array in arrays:
            yield f"    in_{array}_{chain} = in_{array}[begin + {chain} * apart :]"
        for given in stage.gives:
            yield f"    out_{given}_{chain} = out_{given}[first + {chain} * out_apart :]"
        for position, held in enumerate(stage.state):
            yield f"    state_{held}_{chain} = states[{chain}, {position}]"
    yield "    for i in range(count):"
    for chain in range(chains):
        targets = [f"given_{given}_{chain}" for given in stage.gives] + [
            f"state_{held}_{chain}" for held in stage.state
        ]
        given = ", ".join(_given(places, stage, f"_{chain}", f"_{chain}"))
        yield f"        {', '.join(targets)} = {stage.steady.__name__}({given})"
    # After all of them, so that no store stands between the chains.
    for chain in range(chains):
        for given in stage.gives:
            yield f"        out_{given}_{chain}[i] = given_{given}_{chain}"
    for chain in range(chains):
        for position, held in enumerate(stage.state):
            yield f"    states[{chain}, {position}] = state_{held}_{chain}"


def _spread(stage: Step, arrays: list[str]) -> Iterator[str]:
    """Cut a span into stretches, warm them up, run them together, and put right what did not meet."""
    name, chains = stage.function.__name__, _count(stage)
    every = [*(f"in_{array}" for array in arrays), *(f"out_{given}" for given in stage.gives)]
    size = f"out_{stage.gives[0]}.size"

    def cut(part: str) -> str:
        return ", ".join(f"{array}[{part}]" for array in every)

    def tried(part: str) -> str:
        read = [f"in_{array}[{part}]" for array in arrays]
        return ", ".join([*read, *(f"trial[{position}, :seed]" for position in range(len(stage.gives)))])

    trials = ", ".join([*(f"in_{array}" for array in arrays), *(f"trial[{i}]" for i in range(len(stage.gives)))])
    yield f"def spread_{name}({', '.join(every)}, state, parameters, seed, warm):"
    yield f"    apart = ({size} - seed) // {chains}"
    yield "    if apart < 4 * (seed + warm):"
    yield f"        scan_{name}({', '.join(every)}, state, parameters)"
    yield "        return"
    yield "    given = state.copy()"
    yield f"    scan_{name}({cut(':seed')}, state, parameters)"
    seeded = " and ".join(f"np.isfinite(out_{name}[seed - 1])" for name in stage.gives)
    yield f"    if not ({seeded}):"
    yield f"        scan_{name}({cut('seed:')}, state, parameters)"
    yield "        return"
    yield f"    states = np.empty(({chains}, {len(stage.state)}))"
    yield f"    trial = np.empty(({len(stage.gives)}, max(seed, {chains} * warm)))"
    yield f"    for chain in range({chains}):"
    yield "        own = states[chain]"
    for position, value in enumerate(stage.state.values()):
        yield f"        own[{position}] = {'np.nan' if math.isnan(value) else repr(float(value))}"
    yield "        at = (chain + 1) * apart - warm"
    yield f"        scan_{name}({tried('at : at + seed')}, own, parameters)"
    yield f"    chains_{name}({trials}, seed + apart - warm, 0, apart, warm, warm, states, parameters)"
    yield f"    for chain in range({chains} - 1, 0, -1):"
    yield "        states[chain] = states[chain - 1]"
    yield "    states[0] = state"
    yield "    begun = states.copy()"
    yield f"    chains_{name}({', '.join(every)}, seed, seed, apart, apart, apart, states, parameters)"
    yield "    if not windows.all_finite(states.ravel()):"
    yield "        state[:] = given"
    yield f"        scan_{name}({', '.join(every)}, state, parameters)"
    yield "        return"
    yield f"    for chain in range(1, {chains}):"
    yield "        if not windows.same_bits(begun[chain], states[chain - 1]):"
    yield "            states[chain] = states[chain - 1]"
    yield "            at = seed + chain * apart"
    yield f"            scan_{name}({cut('at : at + apart')}, states[chain], parameters)"
    yield f"    state[:] = states[{chains - 1}]"
    yield f"    scan_{name}({cut(f'seed + {chains} * apart :')}, state, parameters)"


def _given(places: Places, stage: Step, array_suffix: str, state_suffix: str) -> list[str]:
    spelled = {"array": f"in_{{}}{array_suffix}[i]", "state": f"state_{{}}{state_suffix}", "parameter": "parameter_{}"}
    return [spelled[kind].format(name) for kind, name in arguments(places.indicator, stage, places.arrays)]


def _count(stage: Step) -> int:
    """As many chains as keep their state in registers."""
    return 8 if len(stage.state) <= 2 else 3


def _compiled(lines: Iterator[str] | list[str]) -> str:
    return '\n@njit(error_model="numpy")\n' + "\n".join(lines) + "\n\n"
