"""What a benchmark says: tables, remarks, and targets that the figures reach or do not reach."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of text below a header, with what has to be known to read them."""

    remark: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        head, *rows = ["| " + " | ".join(row) + " |" for row in (self.header, *self.rows)]
        remark = [self.remark, ""] if self.remark else []
        return "\n".join([*remark, head, "|" + " - |" * len(self.header), *rows])


@dataclass(frozen=True)
class Target:
    """What was aimed at and what was measured. A target without a figure is not reached."""

    what: str
    wanted: float
    got: float
    unit: str
    more_is_better: bool

    @property
    def reached(self) -> bool:
        """Computed from the figures, NaN reaches nothing."""
        return self.got >= self.wanted if self.more_is_better else self.got <= self.wanted

    @property
    def aim(self) -> tuple[str, str]:
        """What is wanted of what."""
        return self.what, f"{'at least' if self.more_is_better else 'at most'} {figure(self.wanted)}{self.unit}"

    @property
    def result(self) -> str:
        """What was measured, and whether that does."""
        return f"{figure(self.got)}{self.unit}, {yes(self.reached)}"


@dataclass
class Section:
    """One room of the page."""

    title: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def markdown(self, remark: str) -> str:
        """The tables with a remark before them."""
        return "\n\n".join([remark, *(table.markdown() for table in self.tables)])


def at_least(what: str, wanted: float, got: float, unit: str = "x") -> Target:
    """A target that more reaches."""
    return Target(what, wanted, got, unit, more_is_better=True)


def at_most(what: str, wanted: float, got: float, unit: str) -> Target:
    """A target that less reaches."""
    return Target(what, wanted, got, unit, more_is_better=False)


def figure(value: float) -> str:
    """A number with three figures that count."""
    if not math.isfinite(value):
        return "-"
    digits = 3 - len(f"{abs(value):.0f}") if abs(value) >= 1 else 2
    return f"{value:,.{max(0, digits)}f}"


def times(value: float) -> str:
    """A ratio."""
    return f"{figure(value)}x" if math.isfinite(value) else "-"


def yes(reached: bool) -> str:
    """A target's last column."""
    return "yes" if reached else "**no**"


Rooms = Sequence[Mapping[str, tuple[Section, str]]]
"""For each section of the page: processor -> what was measured on it, and how."""


def page(rooms: Rooms, missing: Sequence[str]) -> str:
    """The whole page: each section with how it was measured, and the names of those that were not."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`. What is compared runs in turn; figures are CPU time unless a table says otherwise. "
        "Trust the ratios of a row, not its absolute figures: the machines were shared. Each section says when and on "
        "what it was measured, the newest first.",
        *([f"Not measured: {', '.join(missing)}."] if missing else []),
        "## Targets",
        _targets(rooms).markdown(),
    ]
    for room in rooms:
        title = next(iter(room.values()))[0].title
        parts += [f"## {title}", *(section.markdown(remark) for section, remark in room.values())]
    return "\n\n".join(parts) + "\n"


def _targets(rooms: Rooms) -> Table:
    """All targets, with what was measured on each processor."""
    processors = list(dict.fromkeys(processor for room in rooms for processor in room))
    found: list[tuple[tuple[str, str], dict[str, Target]]] = []
    for room in rooms:
        aims: dict[tuple[str, str], dict[str, Target]] = {}
        for processor, (section, _) in room.items():
            for target in section.targets:
                aims.setdefault(target.aim, {})[processor] = target
        found += aims.items()
    counts = []
    for processor in processors:
        known = [by[processor] for _, by in found if processor in by]
        counts.append(f"{sum(target.reached for target in known)} of {len(known)} are reached on {processor}")
    rows = [
        (*aim, *(by[processor].result if processor in by else "-" for processor in processors)) for aim, by in found
    ]
    return Table("; ".join(counts) + ".", ("target", "wanted", *processors), rows)
