"""How conditions show themselves in a notebook."""

from typing import TYPE_CHECKING

from condition_hub.notebook_html import block, code, table

if TYPE_CHECKING:
    from registry.conditions import Condition


def condition_html(condition: "Condition") -> str:
    """A condition: its tree, its identity, when it fires, what it needs, and what is probably not meant."""
    from registry.language.outline import outline

    rows = [
        ("id", condition.id),
        ("canonical", condition.canonical),
        ("fires", "on every candle on which it is TRUE" if condition.momentary else "when it becomes TRUE"),
    ]
    for series, needed in condition.needed.items():
        settled = needed.settled_after
        rows.append(
            (
                "candles",
                f"{series}: {needed.lookback + 1:,} for the first verdict, "
                + (
                    "and it is not known when its indicators have settled"
                    if settled is None
                    else f"{max(settled, needed.lookback + 1):,} until its indicators have settled"
                ),
            )
        )
    rows += [("warning", warning) for warning in condition.warnings]
    return block(str(condition), code(outline(condition.surface, condition.series)), table(rows))
