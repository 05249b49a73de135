"""An audit for people and for machines."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from analysis.audit import Audit, Difference, Firing
from common.timeframes import from_ms, show_time

_MOST_SHOWN = 50

_WORDS = {"missing": "not recorded", "extra": "recorded, not expected", "different": "recorded differently"}
_REVISED = {"missing": "would have fired", "extra": "would not have fired", "different": "other values"}


def as_json(found: Audit) -> dict[str, Any]:
    """An audit as JSON values; times in ISO 8601."""
    return {
        "conditions": found.conditions,
        "groups": found.groups,
        "triggers": found.triggers,
        "differences": [_difference(held, found) for held in found.differences],
        "revised": [_difference(held, found) for held in found.revised],
    }


def render(found: Audit) -> RenderableType:
    """What was compared, and tables of what differs."""
    parts: list[RenderableType] = [
        f"{found.triggers:,} triggers of {found.conditions:,} conditions in {found.groups:,} groups; "
        f"{len(found.differences):,} differ from what the candles say as they were judged."
    ]
    if found.differences:
        parts.append(_table(found.differences, found, _WORDS, "recorded", "expected"))
    if found.revised:
        parts.append(
            f"\nFor information: with the revisions that came after they were judged, {len(found.revised):,} would "
            "differ (hub candles revisions lists them, hub candles rebase takes them)."
        )
        parts.append(_table(found.revised, found, _REVISED, "as judged", "as revised"))
    return Group(*parts)


def _table(
    differences: tuple[Difference, ...], found: Audit, words: dict[str, str], left: str, right: str
) -> RenderableType:
    table = Table()
    for name in ("close (UTC)", "condition", "what", left, right):
        table.add_column(name, overflow="fold")
    for held in differences[:_MOST_SHOWN]:
        table.add_row(
            show_time(held.close_ms),
            found.texts.get(held.condition_id, held.condition_id),
            words[held.kind],
            _shown(held.recorded),
            _shown(held.expected),
        )
    left_out = len(differences) - _MOST_SHOWN
    return Group(table, f"… and {left_out:,} more: --json lists them all") if left_out > 0 else table


def _shown(firing: Firing | None) -> str:
    if firing is None:
        return "-"
    values = ", ".join(f"{name} {'-' if value is None else f'{value:.10g}'}" for name, value in firing.values.items())
    return f"{firing.price:.10g}{'' if firing.settled else ' (not settled)'}: {values}"


def _difference(held: Difference, found: Audit) -> dict[str, Any]:
    return {
        "kind": held.kind,
        "condition_id": held.condition_id,
        "condition": found.texts.get(held.condition_id),
        "close_time": from_ms(held.close_ms).isoformat(),
        "recorded": None if held.recorded is None else asdict(held.recorded),
        "expected": None if held.expected is None else asdict(held.expected),
    }
