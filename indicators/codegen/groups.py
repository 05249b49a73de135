"""Writes the functions of a step group: consecutive steps, run candle by candle in one loop.

A group without state is a loop over time, which is vectorised. One with state has to wait for its last result before it
can continue. If all of its steps have a steady form, the stretches of a long series run side by side, as lanes. Each
but the first starts from a state that was warmed up on the candles before it. If that state equals, to the last bit,
the one in which the previous stretch ends, the results are those of the plain loop; otherwise the stretch is repeated
from the right state. Non-finite values persist in the state of a steady form: a span in which that happened is repeated
by the plain loop.

Several series run side by side in the same way, without the warm-up.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from indicators.catalogue import Indicator, Step
from indicators.codegen.stages import arguments, parameter_lines


@dataclass
class StepGroup:
    """Consecutive steps. ``known`` are the inputs and the results of earlier stages, ``wanted`` those of their own
    results that other stages read or that are outputs, ``reads`` those of the known that they read."""

    indicator: Indicator
    steps: Sequence[Step]
    known: Sequence[str]
    wanted: Sequence[str]
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        results: set[str] = set()
        for step in self.steps:
            for kind, name in self._arguments(step, results):
                if kind == "array" and name not in results and name not in self.reads:
                    self.reads.append(name)
            results |= set(step.gives)

    @property
    def name(self) -> str:
        """The name of its step, or of its first and last."""
        names = [step.function.__name__ for step in self.steps]
        return names[0] if len(names) == 1 else f"{names[0]}_to_{names[-1]}"

    @property
    def state(self) -> dict[str, float]:
        """The start values of all steps."""
        return {name: value for step in self.steps for name, value in step.state.items()}

    @property
    def is_steady(self) -> bool:
        """Whether it runs in lanes."""
        return bool(self.state) and all(step.steady is not None for step in self.steps if step.state)

    @property
    def source(self) -> "StepGroup | None":
        """Its first step alone, if that computes the source from the candle's prices."""
        first = self.steps[0]
        return StepGroup(self.indicator, [first], self.known, first.gives) if first.gives == ("source",) else None

    @property
    def arrays(self) -> list[str]:
        """The parameters of its functions that are arrays over time."""
        return [*(f"in_{name}" for name in self.reads), *(f"out_{name}" for name in self.wanted)]

    def body(
        self, read: str, written: str, state: str, steady: bool = False, source: str | None = None
    ) -> Iterator[str]:
        """One candle; ``read``, ``written`` and ``state`` are how arrays and state are spelled, ``source`` is where the
        first step's result is if it has been taken already."""
        results: set[str] = set()
        for name in self.reads:
            yield f"value_{name} = {read.format(name)}"
        if source is not None:
            yield f"value_source = {source}"
            results.add("source")
        for step in self.steps if source is None else self.steps[1:]:
            spelled = {"array": "value_{}", "state": state, "parameter": "parameter_{}"}
            passed = ", ".join(spelled[kind].format(name) for kind, name in self._arguments(step, results))
            targets = [f"value_{name}" for name in step.gives] + [state.format(name) for name in step.state]
            function = step.steady if steady and step.steady is not None else step.function
            yield f"{', '.join(targets)} = {function.__name__}({passed})"
            results |= set(step.gives)
        for name in self.wanted:
            yield f"{written.format(name)} = value_{name}"

    def _arguments(self, step: Step, results: Iterable[str]) -> Iterator[tuple[str, str]]:
        return arguments(self.indicator, step, {name: name for name in (*self.known, *results)})


def over_one(group: StepGroup) -> str:
    """The source of the functions that run a group over one series."""
    if not group.state:
        return _compiled(_over_time(group))
    writers = [_scan]
    if group.is_steady:
        writers += [_go_on] if group.indicator.is_cumulative else [_lanes, _run, _spread]
    return "".join(_compiled(writer(group)) for writer in writers)


def over_many(group: StepGroup, known: Collection[str]) -> str:
    """The source of the functions that run a group over several series, without those in ``known``."""
    sources = [_compiled(writer(group)) for writer in (_scan, _lanes, _run, _beside)]
    return "".join(source for source in sources if source not in known)


def _compiled(lines: Iterable[str]) -> str:
    return '\n@njit(error_model="numpy")\n' + "\n".join(lines) + "\n\n"


def _over_time(group: StepGroup) -> Iterator[str]:
    yield f"def loop_{group.name}({', '.join(group.arrays)}, parameters):"
    yield "    share_nothing()"
    yield from (f"    {line}" for line in parameter_lines(group.indicator))
    yield f"    for i in range(np.uint64(out_{group.wanted[0]}.size)):"
    yield from (f"        {line}" for line in group.body("in_{}[i]", "out_{}[i]", ""))


def _scan(group: StepGroup) -> Iterator[str]:
    """The plain loop, over the candles from ``begin`` to ``end``. The source comes first, in a loop that is vectorised
    because it waits for nothing; it is kept where an output will be."""
    yield f"def scan_{group.name}({', '.join(group.arrays)}, begin, end, state, parameters):"
    yield "    stay_apart()"
    at = None if group.source is None else f"out_{group.wanted[0]}[i]"
    if group.source is not None and at is not None:
        yield "    for i in range(np.uint64(begin), np.uint64(end)):"
        yield from (f"        {line}" for line in group.source.body("in_{}[i]", at, ""))
    yield from (f"    {line}" for line in _loop(group, source=at))


def _go_on(group: StepGroup) -> Iterator[str]:
    """The steady forms one after the other, if they suffice."""
    every = ", ".join(group.arrays)
    yield f"def go_on_{group.name}({every}, begin, end, state, parameters):"
    yield "    stay_apart()"
    yield "    if windows.all_finite(state):"
    yield "        initial = state.copy()"
    yield from (f"        {line}" for line in _loop(group, steady=True))
    yield "        if windows.all_finite(state):"
    yield "            return"
    yield "        state[:] = initial"
    yield f"    scan_{group.name}({every}, begin, end, state, parameters)"


def _loop(group: StepGroup, steady: bool = False, source: str | None = None) -> Iterator[str]:
    yield from parameter_lines(group.indicator)
    yield from (f"state_{name} = state[{position}]" for position, name in enumerate(group.state))
    yield "for i in range(np.uint64(begin), np.uint64(end)):"
    yield from (f"    {line}" for line in group.body("in_{}[i]", "out_{}[i]", "state_{}", steady, source))
    yield from (f"state[{position}] = state_{name}" for position, name in enumerate(group.state))


def _lanes(group: StepGroup) -> Iterator[str]:
    """The steady forms over a tile: candle by candle, all lanes of each."""
    states = ", ".join(f"lane_{name}" for name in group.state)
    yield f"def lanes_{group.name}({', '.join(group.arrays)}, {states}, parameters, count):"
    yield "    share_nothing()"
    yield from (f"    {line}" for line in parameter_lines(group.indicator))
    yield "    for i in range(count):"
    yield "        for lane in range(np.uint64(stretches.LANES)):"
    for name in group.state:
        yield f"            state_{name} = lane_{name}[lane]"
    body = group.body("in_{}[i, lane]", "out_{}[i, lane]", "state_{}", steady=True)
    yield from (f"            {line}" for line in body)
    for name in group.state:
        yield f"            lane_{name}[lane] = state_{name}"


def _run(group: StepGroup) -> Iterator[str]:
    """All stretches by ``count`` candles, tile by tile; results without an address are dropped."""
    reads, wanted = len(group.reads), len(group.wanted)
    tiles = [f"tiles[{position}]" for position in range(reads + wanted)]
    states = [f"states[{position}]" for position in range(len(group.state))]
    yield f"def run_{group.name}(read, written, count, states, parameters, tiles, large):"
    yield "    stay_apart()"
    yield "    for begin in range(0, count, stretches.STEPS):"
    yield "        taken = min(stretches.STEPS, count - begin)"
    yield "        stretches.take_in(read, begin, taken, tiles)"
    yield f"        lanes_{group.name}({', '.join([*tiles, *states])}, parameters, taken)"
    yield f"        stretches.give_out(tiles, {reads}, written, begin, taken, large)"


def _rooms(group: StepGroup) -> Iterator[str]:
    reads, wanted = len(group.reads), len(group.wanted)
    yield f"read = np.empty(({reads}, stretches.LANES), np.int64)"
    yield f"written = np.empty(({wanted}, stretches.LANES), np.int64)"
    yield f"tiles = stretches.tiles({reads + wanted})"
    yield f"states = stretches.room({len(group.state)}, stretches.LANES)"


def _spread(group: StepGroup) -> Iterator[str]:
    """Cut a series into stretches, warm them up, run them together, and repeat those whose first state was wrong."""
    name, every = group.name, ", ".join(group.arrays)
    starts = ", ".join("np.nan" if math.isnan(value) else repr(float(value)) for value in group.state.values())
    yield f"def spread_{name}({every}, state, parameters, seed, warm):"
    # With a plain 0 the loop would be compiled twice.
    yield f"    begin, size = np.int64(0), out_{group.wanted[0]}.size"
    yield f"    first = stretches.line_begin(out_{group.wanted[0]}, seed)"
    yield "    apart = stretches.apart(size - first)"
    yield "    if apart < seed + warm:"
    yield f"        scan_{name}({every}, begin, size, state, parameters)"
    yield "        return"
    yield "    initial = state.copy()"
    yield f"    scan_{name}({every}, begin, first, state, parameters)"
    yield f"    if not ({_seeded(group, 'first - 1')}):"
    yield f"        scan_{name}({every}, first, size, state, parameters)"
    yield "        return"
    yield from (f"    {line}" for line in _rooms(group))
    yield "    own = state.copy()"
    yield "    for lane in range(stretches.LANES):"
    yield f"        stretches.fill(own, ({starts},))"
    yield "        at = first + (lane + 1) * apart - warm - seed"
    # The results are overwritten by those of the stretch that the candles belong to.
    yield f"        scan_{name}({every}, at, at + seed, own, parameters)"
    yield "        stretches.set_lane(states, lane, own)"
    yield from (f"    {line}" for line in _stretches(group.reads, "in", "first + apart - warm", "read"))
    yield f"    large = stretches.is_large(size * {len(group.arrays)})"
    yield f"    run_{name}(read, written[:0], warm, states, parameters, tiles, large)"
    yield "    stretches.shift(states, state)"
    yield "    begun = states.copy()"
    yield from (f"    {line}" for line in _stretches(group.reads, "in", "first", "read"))
    yield from (f"    {line}" for line in _stretches(group.wanted, "out", "first", "written"))
    yield f"    run_{name}(read, written, apart, states, parameters, tiles, large)"
    yield "    if not windows.all_finite(states.ravel()):"
    yield "        state[:] = initial"
    yield f"        scan_{name}({every}, begin, size, state, parameters)"
    yield "        return"
    yield "    for lane in range(stretches.LANES):"
    yield "        if stretches.is_lane(begun, lane, state):"
    yield "            stretches.get_lane(states, lane, state)"
    yield "        else:"
    yield "            at = first + lane * apart"
    yield f"            scan_{name}({every}, at, at + apart, state, parameters)"
    yield f"    scan_{name}({every}, first + stretches.LANES * apart, size, state, parameters)"


def _stretches(names: Sequence[str], kind: str, first: str, addresses: str) -> Iterator[str]:
    for position, name in enumerate(names):
        yield f"stretches.places({kind}_{name}, {first}, apart, {addresses}, {position})"


def _seeded(group: StepGroup, at: str) -> str:
    return " and ".join(f"np.isfinite(out_{name}[{at}])" for name in group.wanted)


def _beside(group: StepGroup) -> Iterator[str]:
    """Several series: the arrays are float64[series, n], the state float64[series, n_state]."""
    name = group.name
    row = ", ".join(f"{array}[row]" for array in group.arrays)
    yield f"def beside_{name}({', '.join(group.arrays)}, state, parameters, seed):"
    yield f"    series, size = out_{group.wanted[0]}.shape"
    yield from (f"    {line}" for line in _rooms(group))
    yield "    seeded = np.zeros(stretches.LANES, np.bool_)"
    yield f"    large = stretches.is_large(series * size * {len(group.arrays)})"
    yield "    for begin in range(0, series, stretches.LANES):"
    yield "        none, rows = np.int64(0), min(stretches.LANES, series - begin)"
    yield f"        first = min(size, stretches.line_begin(out_{group.wanted[0]}[begin], seed))"
    yield "        count = (size - first) // 8 * 8"
    yield "        initial = state[begin : begin + rows].copy()"
    yield "        for lane in range(rows):"
    yield "            row = begin + lane"
    yield f"            scan_{name}({row}, none, first, state[row], parameters)"
    yield f"            seeded[lane] = count > 0 and {_seeded(group, 'row, first - 1')}"
    yield "        for lane in range(stretches.LANES):"
    yield "            stretches.set_lane(states, lane, state[begin + min(lane, rows - 1)])"
    for kind, names, addresses in (("in", group.reads, "read"), ("out", group.wanted, "written")):
        for position, array in enumerate(names):
            yield f"        stretches.places_of_rows({kind}_{array}, begin, rows, first, {addresses}, {position})"
    yield f"        run_{name}(read, written, count, states, parameters, tiles, large)"
    yield "        for lane in range(rows):"
    yield "            row = begin + lane"
    yield "            done = none"
    yield "            if seeded[lane] and stretches.is_finite(states, lane):"
    yield "                stretches.get_lane(states, lane, state[row])"
    yield "                done = first + count"
    yield "            else:"
    yield "                state[row] = initial[lane]"
    yield f"            scan_{name}({row}, done, size, state[row], parameters)"
