"""What a benchmark says: tables, remarks, and targets that the figures reach or do not reach."""

import math
from collections.abc import Sequence
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
    def row(self) -> tuple[str, str, str, str]:
        wanted = f"{'at least' if self.more_is_better else 'at most'} {figure(self.wanted)}{self.unit}"
        return self.what, wanted, f"{figure(self.got)}{self.unit}", yes(self.reached)


@dataclass
class Section:
    """One room of the page."""

    title: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def markdown(self, remark: str) -> str:
        """The room with a remark below its title."""
        return "\n\n".join([f"## {self.title}", remark, *(table.markdown() for table in self.tables)])


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


def page(sections: Sequence[tuple[Section, str]], missing: Sequence[str]) -> str:
    """The whole page: each section with how it was measured, and the names of those that were not."""
    targets = [target for section, _ in sections for target in section.targets]
    reached = sum(target.reached for target in targets)
    parts = [
        "# Benchmarks",
        "Written by `make bench`. What is compared runs in turn; figures are CPU time unless a table says otherwise. "
        "Trust the ratios of a row, not its absolute figures: the machine was shared. Each section says when and on "
        "what it was measured.",
        *([f"Not measured: {', '.join(missing)}."] if missing else []),
        "## Targets",
        Table(
            f"{reached} of {len(targets)} are reached.",
            ("target", "wanted", "measured", "reached"),
            [target.row for target in targets],
        ).markdown(),
        *(section.markdown(remark) for section, remark in sections),
    ]
    return "\n\n".join(parts) + "\n"
