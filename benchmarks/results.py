"""The results of measurements, with when and where: ``docs/benchmarks.json``, from which the page is written.

A run that measures some sections replaces their results for the same kind of processor and leaves all others. Vector
instructions help more on one processor than on another, so results of several processors are kept.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import Section, Table, Target, page
from benchmarks.timing import machine


@dataclass(frozen=True)
class Measured:
    """A section with the day, in UTC, the machine with its libraries, and the rounds of its measurement."""

    section: Section
    day: str
    machine: str
    rounds: int

    @classmethod
    def today(cls, section: Section, rounds: int) -> "Measured":
        """A section that this process has just measured."""
        return cls(section, datetime.now(UTC).date().isoformat(), machine(), rounds)

    @property
    def processor(self) -> str:
        """The machine without its libraries."""
        return self.machine.split(", Python")[0]

    @property
    def remark(self) -> str:
        """How it was measured, as shown on the page."""
        return f"*{self.day}, {self.machine}; medians of {self.rounds} rounds unless a table says otherwise.*"


class Results:
    """Measured sections by name, kept in a file; the page is next to it, with the same name and the suffix ``.md``."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        """``names`` are all sections, in the order of the page; others that the file may have are dropped."""
        self.path = path
        self._names = tuple(names)
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._measured = {name: [_read(one) for one in stored[name]] for name in self._names if name in stored}

    def put(self, name: str, measured: Measured) -> None:
        """Replace a section's result for the same processor and write both files."""
        others = [one for one in self._measured.get(name, ()) if one.processor != measured.processor]
        self._measured[name] = [measured, *others]
        self.write()

    def write(self) -> None:
        """Write both files."""
        shown = {name: [_shown(one) for one in self._measured[name]] for name in self._names if name in self._measured}
        _replace(self.path, json.dumps(shown, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        _replace(self.path.with_suffix(".md"), self.page())

    def page(self) -> str:
        """The page, which also names the sections that were never measured."""
        known = [self._measured[name] for name in self._names if name in self._measured]
        sections = [{one.processor: (one.section, one.remark) for one in several} for several in known]
        return page(sections, [name for name in self._names if name not in self._measured])


def _shown(measured: Measured) -> dict[str, Any]:
    stored = asdict(measured)
    for target in stored["section"]["targets"]:
        target["got"] = target["got"] if math.isfinite(target["got"]) else None
    return stored


def _read(stored: Mapping[str, Any]) -> Measured:
    section = stored["section"]
    targets = [Target(**target | {"got": math.nan if target["got"] is None else target["got"]})
               for target in section["targets"]]  # fmt: skip
    read = Section(section["title"], [Table(**table) for table in section["tables"]], targets)
    return Measured(read, stored["day"], stored["machine"], stored["rounds"])


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
