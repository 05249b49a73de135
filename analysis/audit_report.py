"""An audit for people and for machines."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from analysis.audit import Audit, Difference, TriggerContents
from common.timeframes import iso_time, show_time

_MOST_SHOWN = 50

_WORDS = {"missing": "not recorded", "extra": "recorded, not expected", "different": "recorded differently"}
_REVISED = {"missing": "would have fired", "extra": "would not have fired", "different": "other values"}


def as_json(audit: Audit) -> dict[str, Any]:
    """An audit as JSON values; times in ISO 8601."""
    return {
        "conditions": audit.conditions,
        "groups": audit.groups,
        "triggers": audit.triggers,
        "differences": [_difference(difference, audit) for difference in audit.differences],
        "revised": [_difference(difference, audit) for difference in audit.revised],
        "unreadable": list(audit.unreadable),
        "unverifiable": audit.unverifiable,
    }


def render(audit: Audit) -> RenderableType:
    """What was compared, and tables of what differs."""
    parts: list[RenderableType] = [
        f"{audit.triggers:,} triggers of {audit.conditions:,} conditions in {audit.groups:,} groups; "
        f"{len(audit.differences):,} differ from what the candles, as they were judged, say."
    ]
    if audit.differences:
        parts.append(_table(audit.differences, audit, _WORDS, "recorded", "expected"))
    if audit.unverifiable:
        parts.append(
            f"Not checked: {audit.unverifiable:,} triggers of conditions that upgrades of the hub have superseded; the"
            " formulas that they were computed with are gone (hub conditions list names their successors)."
        )
    if audit.unreadable:
        parts.append(
            f"Not checked, as their stored text cannot be read: {', '.join(audit.unreadable)}"
            " (hub conditions list says why; hub conditions retire takes them out)."
        )
    if audit.revised:
        parts.append(
            f"\nFor information: with the candles that were revised after they had been judged, {len(audit.revised):,} "
            "would differ (hub candles revisions lists the revisions, hub candles rebase adopts them)."
        )
        parts.append(_table(audit.revised, audit, _REVISED, "as judged", "as revised"))
    return Group(*parts)


def _table(
    differences: tuple[Difference, ...], audit: Audit, words: dict[str, str], left: str, right: str
) -> RenderableType:
    table = Table()
    for name in ("close (UTC)", "condition", "what", left, right):
        table.add_column(name, overflow="fold")
    for difference in differences[:_MOST_SHOWN]:
        table.add_row(
            show_time(difference.close_ms),
            audit.texts.get(difference.condition_id, difference.condition_id),
            words[difference.kind],
            _shown(difference.recorded),
            _shown(difference.expected),
        )
    left_out = len(differences) - _MOST_SHOWN
    return Group(table, f"… and {left_out:,} more: --json lists them all") if left_out > 0 else table


def _shown(contents: TriggerContents | None) -> str:
    if contents is None:
        return "-"
    values = ", ".join(f"{name} {'-' if value is None else f'{value:.10g}'}" for name, value in contents.values.items())
    return f"{contents.price:.10g}{'' if contents.settled else ' (not settled)'}: {values}"


def _difference(difference: Difference, audit: Audit) -> dict[str, Any]:
    return {
        "kind": difference.kind,
        "condition_id": difference.condition_id,
        "condition": audit.texts.get(difference.condition_id),
        "close_time": iso_time(difference.close_ms),
        "recorded": None if difference.recorded is None else asdict(difference.recorded),
        "expected": None if difference.expected is None else asdict(difference.expected),
    }
