"""What was measured, and when and on what: ``docs/benchmarks.json``, from which the page is written.

A run that measures some sections replaces those, as far as they were measured on the same kind of processor, and leaves
the others as they were. Vectors are worth more on one processor than on another, so several have their say.
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
        """What this process has just measured."""
        return cls(section, datetime.now(UTC).date().isoformat(), machine(), rounds)

    @property
    def processor(self) -> str:
        """The machine without its libraries."""
        return self.machine.split(", Python")[0]

    @property
    def remark(self) -> str:
        """How it was measured, as the page says it."""
        return f"*{self.day}, {self.machine}; medians of {self.rounds} rounds unless a table says otherwise.*"


class Results:
    """Measured sections by name, kept in a file; beside it stands the page, with the same name and ``.md``."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        """``names`` are all sections there are, in the page's order; what the file has beyond them is forgotten."""
        self.path = path
        self._names = tuple(names)
        held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._held = {name: [_read(one) for one in held[name]] for name in self._names if name in held}

    def put(self, name: str, measured: Measured) -> None:
        """Replace one section of the same processor and write both files."""
        others = [one for one in self._held.get(name, ()) if one.processor != measured.processor]
        self._held[name] = [measured, *others]
        self.write()

    def write(self) -> None:
        """Write both files."""
        shown = {name: [_shown(one) for one in self._held[name]] for name in self._names if name in self._held}
        _replace(self.path, json.dumps(shown, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        _replace(self.path.with_suffix(".md"), self.page())

    def page(self) -> str:
        """The page, with the sections that were never measured named as such."""
        held = [self._held[name] for name in self._names if name in self._held]
        rooms = [{one.processor: (one.section, one.remark) for one in several} for several in held]
        return page(rooms, [name for name in self._names if name not in self._held])


def _shown(measured: Measured) -> dict[str, Any]:
    found = asdict(measured)
    for target in found["section"]["targets"]:
        target["got"] = target["got"] if math.isfinite(target["got"]) else None
    return found


def _read(found: Mapping[str, Any]) -> Measured:
    section = found["section"]
    targets = [Target(**target | {"got": math.nan if target["got"] is None else target["got"]})
               for target in section["targets"]]  # fmt: skip
    read = Section(section["title"], [Table(**table) for table in section["tables"]], targets)
    return Measured(read, found["day"], found["machine"], found["rounds"])


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
