"""What conditions that were stored by any version of the hub mean today. Pure: texts in, conditions out.

An id stands for a canonical text and the versions of the formulas in it, so another version of a formula, or of the
language, may give a condition another id: the canonical text is read again as any other text is. Where the short text
still has the id, that need not be done: it takes a tenth of the time for conditions at the limits.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from common.errors import HubError
from indicators.catalogue import catalogue
from registry.conditions import Condition, with_threshold
from registry.language.tree import Comparison, Number

_ENDS_WITH_NUMBER = re.compile(r"(.* )(-?)([0-9][0-9.e+-]*)")
_MOST_SIBLINGS = 4_096
_SOURCES = (("common", False), ("indicators", False), ("registry", False), ("registry/language", True))
"""Folders of what ids may depend on, and whether the folders below them count as well."""
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Reread:
    """A stored condition as it is read today, or why it cannot be read any more."""

    condition: Condition | None
    reason: str
    """Why its id is another one, or why it cannot be read; empty if it is what it was."""


class Rereader:
    """Reads the conditions of a store, one after another. Those that differ only in the number they compare with, as
    most do in a large store, are read once."""

    def __init__(self) -> None:
        self._siblings: dict[tuple[str, ...], Condition] = {}

    def reread(self, condition_id: str, canonical: str, text: str, versions: str) -> Reread:
        """A condition from its stored row. Its short text is kept where it still means the same."""
        try:
            shown = self._read(text)
        except HubError:
            shown = None
        if shown is not None and shown.id == condition_id:
            return Reread(shown, "")
        try:
            condition = self._read(canonical)
        except HubError as error:
            return Reread(None, f"it cannot be read any more: {_first_line(error)}")
        if condition.id == condition_id:
            return Reread(condition, "")
        is_same = shown is not None and shown.id == condition.id
        return Reread(shown if is_same else condition, why_changed(canonical, versions, condition))

    def _read(self, spelling: str) -> Condition:
        ending = _ENDS_WITH_NUMBER.fullmatch(spelling)
        if ending is None:
            return Condition.restored(spelling)
        head, sign, digits = ending.groups()
        key = (head, sign, "." * ("." in digits) + "e" * ("e" in digits))
        sibling = self._siblings.get(key)
        if sibling is not None:
            tuned = with_threshold(sibling, float(sign + digits))
            if tuned is not None and spelling in (tuned.canonical, tuned.text):
                return tuned
        condition = Condition.restored(spelling)
        if _ends_with_threshold(condition) and spelling in (condition.canonical, condition.text):
            if len(self._siblings) >= _MOST_SIBLINGS:
                self._siblings.clear()
            self._siblings[key] = condition
        return condition


def why_changed(canonical: str, versions: str, condition: Condition) -> str:
    """Why a condition of a canonical text, with the versions of its formulas, has another id today."""
    before = dict(version.split("=") for version in versions.split(",") if version)
    after = dict(version.split("=") for version in condition.definition_versions.split(",") if version)
    changed = [name for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    reasons = [f"the formula of {name} changed from version {before[name]} to {after[name]}" for name in changed]
    if condition.canonical != canonical:
        reasons.append(f"it is written {condition.canonical} in this version of the language"[:_LONGEST_REASON])
    return "; ".join(reasons)


def definition_versions() -> str:
    """The versions of all formulas, ``sma=1,ema=1,...``: what has others judges other conditions."""
    return ",".join(f"{name}={record.version}" for name, record in catalogue().items())


def definitions() -> str:
    """A digest of everything that the id of a condition may depend on: versions of formulas, and the program's text.

    Nobody has to remember to raise it. Where it is another one than a store has seen, its conditions are read again.
    """
    return sha256(f"{_program()} {definition_versions()}".encode()).hexdigest()


@cache
def _program() -> str:
    """A digest of the sources that read conditions."""
    digest = sha256()
    for place, is_deep in _SOURCES:
        root, *below = place.split("/")
        for name, source in sorted(_sources(files(root).joinpath(*below), is_deep)):
            digest.update(f"{place}/{name} {len(source)} ".encode() + source)
    return digest.hexdigest()


def _sources(folder: Traversable, is_deep: bool, place: str = "") -> list[tuple[str, bytes]]:
    sources = []
    for entry in folder.iterdir():
        if entry.is_file() and entry.name.endswith((".py", ".lark")):
            sources.append((place + entry.name, entry.read_bytes()))
        elif is_deep and entry.is_dir():
            sources += _sources(entry, is_deep, f"{place}{entry.name}/")
    return sources


def _ends_with_threshold(condition: Condition) -> bool:
    """Whether the last number of its texts is what it compares with; 0 may be written in another way
    (``registry.language.canonical``, rule 3)."""
    return all(
        isinstance(tree, Comparison) and isinstance(tree.right, Number) and tree.right.value != 0
        for tree in (condition.tree, condition.surface)
    )


def _first_line(error: HubError) -> str:
    return str(error).split("\n", 1)[0][:_LONGEST_REASON]
