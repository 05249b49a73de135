"""From conditions of one timeframe to what has to be computed for them, each thing once.

    conditions -> series -> readings: prices and indicators, an indicator's series side by side as lanes; what an
                            indicator is computed from, another one or arithmetic, is a reading of a lower level
               -> delays `[k]` -> views of other series' values -> arithmetic          (all of these are slots)
               -> comparisons as columns, grouped by operator and sorted by slot -> composites by level

Equal nodes of the trees are one dictionary key, so whatever two conditions share exists once. Every slot is *owned* by
the series whose steps move it: readings and delays by the series that they read, views, arithmetic and truths by the
base series of their conditions. A view is what a base sees of another series (another instrument, another timeframe):
the value on that series' last closed slot.

A plan grows: :meth:`Plan.extend` adds conditions without moving anything that is there. The plan is pure data:
``engine.evaluate`` runs it candle by candle, ``engine.history`` over a history.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.blocks import SPARE, IndicatorBlock, PriceBlock
from engine.layout import Layout
from engine.program import BasedNode, Program
from engine.read_alike import ReadAlike, read_alike
from indicators.kernels.pools import Pool
from registry.conditions import Condition
from registry.groups import Series
from registry.language.tree import Operand


class Plan:
    """Everything needed to judge the conditions of one timeframe. Columns of conditions are in their order."""

    def __init__(self, timeframe: str) -> None:
        self.timeframe = timeframe
        self.conditions: list[Condition] = []
        self.layout = Layout()
        self.program = Program()
        self.settle: list[tuple[tuple[int, int], ...]] = []
        """Condition -> (series, candles of it after which its indicators have settled)."""
        self.shown: list[tuple[tuple[Operand, int], ...]] = []
        """Condition -> the operands that it compares, constants aside, and their slots."""
        self.memory = 0
        """How many steps of a base series truths look back through ``for``, ``within`` and ``before``."""
        self._known: dict[str, int] = {}
        self._is_base = Pool(np.bool_)
        self._momentary = Pool(np.bool_)
        self._base = Pool(np.int64)
        self._root_numbers = Pool(np.int64)
        self._indicator_counts = Pool(np.int64)
        self._series_counts = Pool(np.int64)
        self._lanes: NDArray[np.int64] | None = None

    def extend(self, conditions: Iterable[Condition]) -> None:
        """Add conditions; those that are there already are left as they are."""
        fresh = {condition.id: condition for condition in conditions if condition.id not in self._known}
        added = [fresh[condition_id] for condition_id in sorted(fresh)]
        if any(condition.timeframe != self.timeframe for condition in added):
            raise ValueError("a plan is made for the conditions of one timeframe")
        layout, index = self.layout, self.layout.index
        alike = read_alike(added)
        unique = list(dict.fromkeys(alike))
        read = dict.fromkeys(variable for each in unique for variable in each.variables)
        layout.add_series({each.base for each in unique} | {variable.series for variable in read})
        self._is_base.add([False] * (len(layout.series) - self._is_base.size))
        layout.read(read)
        # By identity: every operand that the program asks for is one of these objects.
        slot_of: dict[tuple[int, int], int] = {}
        shown: dict[ReadAlike, tuple[tuple[Operand, int], ...]] = {}
        settle: dict[ReadAlike, tuple[tuple[int, int], ...]] = {}
        for each in unique:
            base = index[each.base]
            self._is_base.array[base] = True
            self.memory = max(self.memory, each.memory)
            slots = {operand: layout.slot(each.base, operand) for operand in each.sides}
            slot_of |= {(base, id(operand)): slots[operand] for operand in each.sides}
            slot_of |= {(base, id(window)): layout.window_slot(each.base, window) for window in each.windows}
            shown[each] = tuple(slots.items())
            settle[each] = tuple((index[series], after) for series, after in each.settled_after)
        roots: list[BasedNode] = [(index[condition.series], condition.tree) for condition in added]
        numbers = self.program.extend(roots, lambda base, operand: slot_of[base, id(operand)])
        for position, condition in enumerate(added, len(self.conditions)):
            self._known[condition.id] = position
        self.conditions += added
        self.settle += [settle[each] for each in alike]
        self.shown += [shown[each] for each in alike]
        self._momentary.add([condition.momentary for condition in added])
        self._base.add([base for base, _ in roots])
        self._root_numbers.add(numbers)
        self._indicator_counts.add([each.indicators for each in alike])
        self._series_counts.add([len(condition.all_series) for condition in added])
        self._lanes = None

    def __contains__(self, condition: Condition) -> bool:
        return condition.id in self._known

    def position(self, condition: Condition) -> int:
        """The index of a condition in the columns."""
        return self._known[condition.id]

    def find(self, condition_id: str) -> int | None:
        """The index of a condition by its id, ``None`` if it is not there."""
        return self._known.get(condition_id)

    @property
    def series(self) -> Sequence[Series]:
        """The base series and all others that are read."""
        return self.layout.series

    @property
    def prices(self) -> Sequence[PriceBlock]:
        return self.layout.prices

    @property
    def indicators(self) -> Sequence[IndicatorBlock]:
        return self.layout.indicators

    @property
    def slots(self) -> int:
        """Number of slots."""
        return self.layout.owners.size

    @property
    def read_slots(self) -> NDArray[np.int64]:
        """The slots that comparisons read, or that other slots are computed from, in order; of an indicator with
        several outputs mostly one."""
        return np.union1d(self.program.slots, self.layout.sources)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Slot -> index of the series whose steps move it."""
        return self.layout.owners.array

    @property
    def is_base(self) -> NDArray[np.bool_]:
        """Series -> whether conditions have it as their base."""
        return self._is_base.array

    @property
    def momentary(self) -> NDArray[np.bool_]:
        """Condition -> whether it fires on every TRUE."""
        return self._momentary.array

    @property
    def base(self) -> NDArray[np.int64]:
        """Condition -> index of its base series."""
        return self._base.array

    @property
    def roots(self) -> NDArray[np.int64]:
        """Condition -> its truth."""
        return self.program.places(self._root_numbers.array)

    @property
    def indicator_counts(self) -> NDArray[np.int64]:
        """Condition -> number of distinct indicators that it needs."""
        return self._indicator_counts.array

    @property
    def series_counts(self) -> NDArray[np.int64]:
        """Condition -> number of distinct series that it reads."""
        return self._series_counts.array

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Timeframes of the series that are read, the plan's own last."""
        others = {series.timeframe for series in self.series} - {self.timeframe}
        return (*sorted(others), self.timeframe)

    @property
    def is_alone(self) -> bool:
        """Whether every condition reads only its base series."""
        return bool(self.is_base.all()) and self.layout.views.size == 0

    @property
    def lanes(self) -> NDArray[np.int64]:
        """Series -> number of indicators computed for it."""
        if self._lanes is None:
            lanes = np.array([index for block in self.indicators for index in block.series], np.int64)
            self._lanes = np.bincount(lanes[lanes != SPARE], minlength=len(self.series))
        return self._lanes


def make_plan(conditions: Iterable[Condition]) -> Plan:
    """The plan for conditions of one timeframe, at least one of them; equal ones are planned once."""
    listed = list(conditions)
    plan = Plan(listed[0].timeframe)
    plan.extend(listed)
    return plan
