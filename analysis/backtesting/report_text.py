"""A backtest as text of at most 80 columns."""

import textwrap
from collections.abc import Iterator

from analysis.backtesting.plots import percent
from analysis.backtesting.report import ConditionReport, Report
from common.counted import counted

_WIDTH = 80
_MOST_PARTS = 20


def report_lines(report: Report) -> list[str]:
    """One condition with everything, several with a few lines each."""
    lines = textwrap.wrap(f"rules: {report.rules.told()}", _WIDTH)
    for part in report.parts[:_MOST_PARTS]:
        lines += ["", *_part(part)]
    if len(report.parts) > _MOST_PARTS:
        lines += ["", f"and {len(report.parts) - _MOST_PARTS} more; all of them are in summary, and with --json"]
    return lines


def _part(part: ConditionReport) -> Iterator[str]:
    figures = part.figures
    yield from textwrap.wrap(str(part.condition), _WIDTH)
    yield from _beside("verdict", part.verdict)
    yield from _beside("range", f"{figures['start']} to {figures['end']}, {figures['candles']:,} candles")
    yield from _beside(
        "triggers",
        f"{figures['triggers']:,} ({figures['settled_triggers']:,} settled); {counted(figures['trades'], 'trade')},"
        f" {counted(figures['ignored_triggers'], 'trigger')} ignored",
    )
    if figures["trades"]:
        yield from _beside(
            "trades",
            f"{percent(figures['win_rate'])} won, mean {shown(figures['mean_trade_return'])} after costs",
        )
    yield from _beside(
        "equity",
        f"{shown(figures['total_return'])}, holding {shown(figures['hold_return'])}; drawdown"
        f" {percent(figures['max_drawdown'])}, in the market {percent(figures['exposure'])} of the time",
    )
    yield from _beside(
        "chance",
        f"{tries(part.chance.trials)} on this series, {part.chance.independent:,.0f} of them independent;"
        f" better than the best of so many by chance with probability {part.chance.deflated:.2f}",
    )
    if part.forward["triggers"].sum():
        yield ""
        yield f"{'candles':>9}{'n':>8}{'mean':>10}{'any':>10}{'edge, 95 % interval':>26}{'hit':>8}{'any':>8}"
        for row in part.forward.iter_rows(named=True):
            if not row["triggers"]:
                continue
            edge = f"{shown(row['edge_low'])} to {shown(row['edge_high'])}" if row["edge_low"] is not None else "-"
            yield (
                f"{row['horizon']:>9,}{row['triggers']:>8,}{shown(row['mean']):>10}{shown(row['baseline_mean']):>10}"
                f"{edge:>26}{percent_of(row['hit_rate']):>8}{percent_of(row['baseline_hit_rate']):>8}"
            )
    for caution in part.cautions:
        yield from _beside("caution", caution.text)


def shown(value: float | None) -> str:
    """A return with its sign."""
    return "-" if value is None else f"{value * 100:+.2f} %"


def percent_of(value: float | None) -> str:
    """A rate to a tenth of a percent."""
    return "-" if value is None else f"{value * 100:.1f} %"


def tries(count: int) -> str:
    """How much was tried."""
    return f"{counted(count, 'condition')} tried"


def _beside(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"  {label:<10}", subsequent_indent=" " * 12, break_on_hyphens=False
    )
