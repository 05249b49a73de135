"""A sweep as text of at most 80 columns, and as HTML with its heat map."""

import textwrap
from html import escape

from analysis.backtesting.report_html import facts, table
from analysis.backtesting.report_text import percent_of, shown, tries
from analysis.backtesting.sweep import SeriesSweep, Sweep
from common.counted import counted
from common.errors import BacktestError
from common.timeframes import show_time

_WIDTH = 80
_MOST_SERIES = 20
_MOST_ROWS = 10


def sweep_lines(sweep: Sweep) -> list[str]:
    """The verdict, each series with its best, and what to distrust."""
    lines = [*textwrap.wrap(f"rules: {sweep.rules.told()}", _WIDTH), ""]
    lines += textwrap.wrap(f"{sweep.frame.height:,} combinations: {sweep.verdict}", _WIDTH)
    # There is one of each series, in the same order.
    best = list(sweep.best.iter_rows(named=True))
    for part, row in zip(sweep.series[:_MOST_SERIES], best, strict=False):
        lines += ["", f"{part.series}"]
        lines += [line for label, text in series_facts(part) for line in _beside(label, text)]
        lines += _beside("best", row["condition"])
        lines += _beside(
            "",
            f"{counted(row['trades'], 'trade')}, {percent_of(row['win_rate'])} won, {shown(row['total_return'])},"
            f" deflated Sharpe {row['deflated_sharpe']:.2f}",
        )
    if len(sweep.series) > _MOST_SERIES:
        lines += ["", f"and {len(sweep.series) - _MOST_SERIES} more series"]
    notes = [f"caution   {text}" for _, text in sweep.cautions[:_MOST_ROWS]]
    if len(sweep.cautions) > _MOST_ROWS:
        notes.append(f"caution   and {len(sweep.cautions) - _MOST_ROWS} more")
    if sweep.unreadable:
        values, error = sweep.unreadable[0]
        shown_values = ", ".join(f"{name}={value}" for name, value in values.items())
        notes.append(f"left out  {len(sweep.unreadable):,} combinations make no condition; {shown_values}: {error}")
    if not sweep.complete:
        notes.append("cancelled before all was judged; this is what was done by then")
    for note in notes:
        lines += textwrap.wrap(note, _WIDTH, subsequent_indent=" " * 10)
    return lines


def sweep_html(sweep: Sweep) -> str:
    """The same with a table of the best and a heat map of returns."""
    rows = [("verdict", sweep.verdict), ("rules", sweep.rules.told())]
    for part in sweep.series[:_MOST_SERIES]:
        rows += [(f"{part.series}: {label}", text) for label, text in series_facts(part)]
    rows += [("caution", text) for _, text in sweep.cautions[:_MOST_ROWS]]
    if sweep.unreadable:
        rows.append(("left out", f"{len(sweep.unreadable):,} combinations make no condition: {sweep.unreadable[0][1]}"))
    if not sweep.complete:
        rows.append(("cancelled", "this is what was done by then"))
    best = sweep.frame.sort("excess_sharpe", descending=True).head(_MOST_ROWS)
    header = (*sweep.names, "trades", "won", "return", "drawdown", "deflated Sharpe", "condition")
    body = [
        (
            *(str(row[name]) for name in sweep.names),
            f"{row['trades']:,}",
            percent_of(row["win_rate"]),
            shown(row["total_return"]),
            percent_of(row["max_drawdown"]),
            f"{row['deflated_sharpe']:.2f}",
            row["condition"],
        )
        for row in best.iter_rows(named=True)
    ]
    try:
        picture = sweep.heat_map()
    except BacktestError:
        # Fewer than two parameters make no map.
        picture = ""
    title = f"<h4>{escape(f'{sweep.frame.height:,} combinations')}</h4>"
    return f'<div class="hub-sweep">{title}{facts(rows)}{table(header, body)}{picture}</div>'


def series_facts(part: SeriesSweep) -> list[tuple[str, str]]:
    """What is said of a series."""
    overfitting = "-" if part.overfitting is None else f"{part.overfitting:.2f}"
    return [
        (
            "range",
            f"{show_time(part.start_ms)} to {show_time(part.end_ms)}, {part.candles:,} candles; holding"
            f" {shown(part.hold_return)}",
        ),
        (
            "chance",
            f"{tries(part.trials)}, {part.independent:,.0f} of them independent; probability of overfitting"
            f" {overfitting}",
        ),
    ]


def _beside(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"  {label:<8}", subsequent_indent=" " * 10, break_on_hyphens=False
    )
