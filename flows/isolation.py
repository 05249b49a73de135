"""Which condition it is that cannot be judged: found, so that it alone is taken out and everybody else is judged.

A tick plans and moves many conditions at once, so an error does not say whose it is. The same is tried again on copies
that nobody else uses: with fewer and fewer groups until the one at fault is alone, then with its conditions. Before
that, a plain condition of the same series tells whether their candles are at fault, and so all of the group.
"""

from collections.abc import Callable, Mapping, Sequence

from candles.holes import holes_among
from candles.series import SeriesReader
from common.errors import (
    ConditionError,
    EventLogError,
    FailpointReached,
    HubError,
    SchemaMismatch,
    StaleTick,
    StoreDenied,
    StoreLocked,
    StoreMissing,
    StoreNotWritable,
    StoreUnreachable,
)
from engine.part import Part
from flows.part_builder import PartBuilder
from flows.tick_candles import TickCandles
from flows.trigger_rows import trigger_rows
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.naming import CANONICAL, reading
from registry.store.protocol import Store

_OF_EVERYBODY = (
    EventLogError,
    FailpointReached,
    SchemaMismatch,
    StaleTick,
    StoreDenied,
    StoreLocked,
    StoreMissing,
    StoreNotWritable,
    StoreUnreachable,
)

Grouped = Mapping[Group, Sequence[Condition]]
Trial = Callable[[Grouped], object]
"""Does with some conditions what failed with many; raises if it fails again."""


def concerns_everybody(error: Exception) -> bool:
    """Whether an error says nothing about a condition or a series: the store, the event log or the time is at fault."""
    return isinstance(error, _OF_EVERYBODY)


def reason_for(error: Exception) -> str:
    """An error as the reason why a condition is not judged, for everybody to read: without files, hosts or code."""
    if isinstance(error, ConditionError):
        return f"it cannot be read: {_first_line(error)}"
    if isinstance(error, HubError):
        return f"it cannot be judged: {_first_line(error)}"
    return f"it cannot be judged: {type(error).__name__}; the log of the tick says more"


def find_culprits(conditions: Grouped, trial: Trial) -> dict[Condition, Exception]:
    """The conditions with which a trial fails, each with its error.

    Empty if it fails only with all of them, or with whatever is tried: then it is nobody's fault in particular. Raises
    what concerns everybody.
    """
    culprits: dict[Condition, Exception] = {}
    at_fault: set[Series] = set()
    failing = _failing_groups(conditions, list(conditions), trial)
    for group, error in failing.items():
        plain_error = None
        try:
            plain = _plain_condition(group)
            plain_error = _error_of({plain.group: [plain]}, trial)
        except HubError as unreadable:
            plain_error = unreadable
        if plain_error is not None:
            at_fault.add(group.base)
            culprits |= dict.fromkeys(conditions[group], error)
        else:
            culprits |= _failing_conditions(group, conditions[group], trial)
    # A disk or a library that fails takes all series with it.
    everybody_fails = len(at_fault) > 1 and at_fault == {group.base for group in conditions}
    return {} if everybody_fails else culprits


def judge_next_slot(part: Part, reader: SeriesReader, now_ms: int) -> None:
    """Judge, on a part that nobody else uses, the next slot of each of its groups whose candles are there."""
    candles = TickCandles(reader, part.series)
    judged: set[Group] = set()
    while (due := part.due(now_ms, judged, reader.first_open_from)) is not None:
        close_ms, members = due
        judged |= {member.group for member in members}
        for group, missing in part.lacking(members, close_ms, candles.load_complete).items():
            if holes_among(missing, reader, now_ms) is None:
                members = [member for member in members if member.group != group]
        if members:
            fired = part.move(members, close_ms, candles.load).fired
            trigger_rows(fired, close_ms, reader.calendars, late=False)


def judging(
    store: Store, reader: SeriesReader, anchors: Mapping[Series, int], reached: Mapping[Group, int], now_ms: int
) -> Trial:
    """A trial that builds conditions from the store, at the close times that their groups have reached, and judges
    their next slot."""
    builder = PartBuilder(store, reader, anchors)

    def trial(conditions: Grouped) -> None:
        alone = {group: reached[group] for group in conditions if len(group.series) == 1}
        # Groups that read other series could keep each other from moving.
        others = [{group: reached[group]} for group in conditions if group not in alone]
        for each in [alone, *others] if alone else others:
            judge_next_slot(builder.build(each, conditions), reader, now_ms)

    return trial


def _failing_groups(conditions: Grouped, groups: Sequence[Group], trial: Trial) -> dict[Group, Exception]:
    error = _error_of({group: conditions[group] for group in groups}, trial)
    if error is None:
        return {}
    if len(groups) == 1:
        return {groups[0]: error}
    middle = len(groups) // 2
    return _failing_groups(conditions, groups[:middle], trial) | _failing_groups(conditions, groups[middle:], trial)


def _failing_conditions(group: Group, conditions: Sequence[Condition], trial: Trial) -> dict[Condition, Exception]:
    error = _error_of({group: conditions}, trial)
    if error is None:
        return {}
    if len(conditions) == 1:
        return {conditions[0]: error}
    middle = len(conditions) // 2
    first, second = conditions[:middle], conditions[middle:]
    return _failing_conditions(group, first, trial) | _failing_conditions(group, second, trial)


def _error_of(conditions: Grouped, trial: Trial) -> Exception | None:
    try:
        trial(conditions)
    except Exception as error:
        if concerns_everybody(error):
            raise
        return error
    return None


def _plain_condition(group: Group) -> Condition:
    """A condition that reads the series of a group, and in which nothing but their candles can be at fault."""
    parts = ["close > 0", *(f"close@{series.instrument}@{series.timeframe} > 0" for series in group.series[1:])]
    with reading(CANONICAL):
        return Condition.parse(f"{group.base}: all({', '.join(parts)})")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
