"""Import reports for people and for machines."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group
from rich.table import Table
from rich.text import Text

from candles.importing import ImportReport
from common.counted import counted
from common.timeframes import show_time

_SHOWN_GAPS = 5


def render(reports: Sequence[ImportReport]) -> Group:
    """A row per file, then what deserves a look: quarantined rows by reason, gaps, notes."""
    table = Table()
    for name in ("file", "series", "inserted", "unchanged", "replaced", "revised", "quarantined", "gaps", "filled"):
        table.add_column(name, justify="left" if name in ("file", "series") else "right")
    remarks: list[str] = []
    for report in reports:
        series = ", ".join(report.series[:3]) + (
            f" and {len(report.series) - 3} more" if len(report.series) > 3 else ""
        )
        counts = (report.inserted, report.unchanged, report.replaced, report.revised)
        rejected = sum(report.quarantined.values())
        table.add_row(
            Text(report.path.name),
            "nothing imported" if report.failed else series,
            *(f"{count:,}" for count in (*counts, rejected, len(report.gaps), report.filled)),
        )
        remarks += _remarks(report)
    # Text, because rich would read brackets in a path or a note as markup.
    return Group(table, *(Text(remark) for remark in remarks))


def as_json(report: ImportReport) -> dict[str, object]:
    """The report with plain values."""
    return {**asdict(report), "path": str(report.path), "failed": report.failed}


def _remarks(report: ImportReport) -> list[str]:
    # Why a file failed is the message of the command's error: said once.
    lines = [
        f"{report.path.name}: {counted(count, 'row')} quarantined: {reason}"
        for reason, count in (report.quarantined.items() if report.error is None else ())
    ]
    lines += [
        f"{report.path.name}: {gap.series} is missing {counted(gap.missing, 'candle')} "
        f"from {show_time(gap.first_missing_ms)}"
        for gap in report.gaps[:_SHOWN_GAPS]
    ]
    if len(report.gaps) > _SHOWN_GAPS:
        more = len(report.gaps) - _SHOWN_GAPS
        lines.append(f"{report.path.name}: {counted(more, 'more gap')} (--json lists them all)")
    for count, what in ((report.untraded, "without prices: a gap"), (report.widened, "widened to an open outside")):
        if count:
            lines.append(f"{report.path.name}: {counted(count, 'row')} {what}")
    return lines + [f"{report.path.name}: {note}" for note in report.notes]
