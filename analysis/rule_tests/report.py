"""Outcomes of rule tests for people, for machines, and as JUnit's XML for build servers."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any
from xml.etree import ElementTree

from analysis.rule_tests.judging import RuleOutcome

_WIDTH = 80
_NOT_IN_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "�")


def as_json(outcomes: Sequence[RuleOutcome]) -> dict[str, Any]:
    """Outcomes as JSON values."""
    return {
        "tests": len(outcomes),
        "failed": sum(bool(outcome.failures) for outcome in outcomes),
        "outcomes": [
            {
                "file": str(outcome.test.path),
                "line": outcome.test.line,
                "name": outcome.test.name,
                "condition_id": outcome.test.condition.id,
                "condition": str(outcome.test.condition),
                "passed": not outcome.failures,
                "fires": list(outcome.fired),
                "failures": list(outcome.failures),
            }
            for outcome in outcomes
        ],
    }


def render(outcomes: Sequence[RuleOutcome]) -> Iterator[str]:
    """The lines of outcomes: one for each test, and what failed below it."""
    for outcome in outcomes:
        yield f"{'FAILED' if outcome.failures else 'ok    '}  {outcome.test.name}"
        if outcome.failures:
            yield f"        {outcome.test.path}:{outcome.test.line}"
            yield from wrap(str(outcome.test.condition), _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10)
        for failure in outcome.failures:
            yield from wrap(failure, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10)
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    yield f"{len(outcomes):,} tests, {failed:,} failed"


def write_junit(outcomes: Sequence[RuleOutcome], path: Path) -> None:
    """Write outcomes as JUnit's XML: a suite for each file, a case for each test.

    Raises :class:`OSError` where the file cannot be written.
    """
    root = ElementTree.Element("testsuites", _counts(outcomes))
    for file, of_file in groupby(outcomes, key=lambda outcome: outcome.test.path):
        mine = list(of_file)
        suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(str(file)), **_counts(mine)})
        for outcome in mine:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                {
                    "classname": _xml(file.stem),
                    "name": _xml(outcome.test.name),
                    "file": _xml(str(file)),
                    "line": str(outcome.test.line),
                },
            )
            if outcome.failures:
                failure = ElementTree.SubElement(case, "failure", {"message": _xml(outcome.failures[0])})
                failure.text = _xml("\n".join(outcome.failures))
    ElementTree.indent(root)
    path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _counts(outcomes: Sequence[RuleOutcome]) -> dict[str, str]:
    return {"tests": str(len(outcomes)), "failures": str(sum(bool(outcome.failures) for outcome in outcomes))}


def _xml(text: str) -> str:
    """A text without the characters that XML has not."""
    return text.translate(_NOT_IN_XML)
