"""The tables of ``docs/reliability.md``: which cases were run, what was done to the hub, and how they ended."""

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.hub import Hub

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- written by make chaos: begin -->", "<!-- written by make chaos: end -->"


@dataclass
class Case:
    """All runs of one test."""

    says: str
    """The number of the case and what happens in it, from the test's docstring."""
    runs: int = 0
    failed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    triggers: int = 0

    def add(self, hubs: Iterable[Hub]) -> None:
        """Add the faults of one run, and the triggers that were checked after it."""
        for hub in hubs:
            self.faults += hub.faults
            self.crashes += hub.crashes
            self.triggers += hub.triggers


class Report:
    """Cases by the name of their test."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}

    def case(self, test: object, name: str) -> Case:
        """The case of a test function."""
        says = (inspect.getdoc(test) or name).split("\n\n")[0].replace("\n", " ")
        return self._cases.setdefault(name, Case(says))

    def write(self, seed: str, effort: int) -> None:
        """Put the tables between the marks of the page."""
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{self._text(seed, effort)}\n{END}{after}", encoding="utf-8")

    def _text(self, seed: str, effort: int) -> str:
        cases = sorted(self._cases.values(), key=lambda case: _place(case.says))
        faults, crashes = Counter[str](), Counter[str]()
        for case in cases:
            faults += case.faults
            crashes += case.crashes
        failed = sum(case.failed for case in cases)
        lines = [
            f"With `HUB_TEST_EFFORT={effort} HUB_TEST_SEED={seed}`: **{faults.total():,} faults** and "
            f"**{crashes.total():,} crashes at failpoints** in {sum(case.runs for case in cases)} runs, "
            f"{sum(case.triggers for case in cases):,} triggers compared; **{failed} runs broke an invariant**.",
            "",
            "| case | runs | faults | crashes | triggers compared | broken |",
            "| - | -: | -: | -: | -: | -: |",
            *(
                f"| {case.says} | {case.runs} | {case.faults.total():,} | {case.crashes.total():,} | "
                f"{case.triggers:,} | {case.failed} |"
                for case in cases
            ),
            "",
            "| fault | times |",
            "| - | -: |",
            *(f"| {name} | {count:,} |" for name, count in sorted(faults.items())),
            "",
            "| crash at | times |",
            "| - | -: |",
            *(f"| `{name}` | {count:,} |" for name, count in sorted(crashes.items())),
            "",
        ]
        return "\n".join(lines)


def _place(says: str) -> tuple[int, str]:
    """The place of a case in the table: F2 comes before F10."""
    digits = "".join(letter for letter in says.split(":", maxsplit=1)[0].split(maxsplit=1)[0] if letter.isdigit())
    return int(digits or 99), says
