"""Reports as HTML for notebooks: tables and SVG, nothing loaded from anywhere, readable on light and dark pages."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from analysis.backtesting.excursions import reaches
from analysis.backtesting.forward import returns_after
from analysis.backtesting.plots import ACCENT, AGAINST, SECOND, Line, histogram, line_plot, percent
from analysis.backtesting.report import ConditionReport, Report
from analysis.backtesting.report_text import percent_of, shown, tries
from common.counted import counted
from common.timeframes import show_time

_MOST_PARTS = 5
_CELL = "padding:2px 10px 2px 0;text-align:"


def report_html(report: Report) -> str:
    """The first conditions with everything, and a table of all if there are several."""
    parts = [f"<p>{escape(report.rules.told())}</p>"]
    if len(report.parts) > 1:
        header = ("condition", "triggers", "trades", "won", "return", "drawdown", "deflated Sharpe", "verdict")
        rows = []
        for part in report.parts:
            figures = part.figures
            rows.append(
                (
                    str(part.condition),
                    f"{figures['triggers']:,}",
                    f"{figures['trades']:,}",
                    percent_of(figures["win_rate"]),
                    shown(figures["total_return"]),
                    percent_of(figures["max_drawdown"]),
                    f"{figures['deflated_sharpe']:.2f}",
                    part.verdict,
                )
            )
        parts.append(table(header, rows))
    parts += [_part(part) for part in report.parts[:_MOST_PARTS]]
    if len(report.parts) > _MOST_PARTS:
        parts.append(f"<p>The first {_MOST_PARTS} are shown; <code>report[n]</code> has any.</p>")
    return f'<div class="hub-report">{"".join(parts)}</div>'


def condition_html(part: ConditionReport) -> str:
    """One condition with everything."""
    return f'<div class="hub-report">{_part(part)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first and the last are aligned to the right."""
    last = len(header) - 1

    def cell(tag: str, number: int, text: str) -> str:
        side = "left" if number in (0, last) else "right"
        return f'<{tag} style="{_CELL}{side}">{escape(text)}</{tag}>'

    head = "".join(cell("th", number, name) for number, name in enumerate(header))
    body = "".join(f"<tr>{''.join(cell('td', n, text) for n, text in enumerate(row))}</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{body}</table>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names with what they are."""
    body = "".join(
        f'<tr><td style="{_CELL}left;opacity:0.7">{escape(name)}</td><td style="{_CELL}left">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f'<table style="border-collapse:collapse;font-size:13px">{body}</table>'


def _part(part: ConditionReport) -> str:
    figures, chance = part.figures, part.chance
    rows = [
        ("verdict", part.verdict),
        ("range", f"{figures['start']} to {figures['end']}, {figures['candles']:,} candles"),
        ("triggers", f"{figures['triggers']:,}, {figures['settled_triggers']:,} of them settled"),
        (
            "trades",
            f"{figures['trades']:,}, {percent_of(figures['win_rate'])} won, mean"
            f" {shown(figures['mean_trade_return'])} after costs;"
            f" {counted(figures['ignored_triggers'], 'trigger')} ignored",
        ),
        (
            "equity",
            f"{shown(figures['total_return'])}; holding {shown(figures['hold_return'])}; drawdown"
            f" {percent_of(figures['max_drawdown'])}; in the market {percent_of(figures['exposure'])} of the time",
        ),
        (
            "excursions",
            f"mean adverse {shown(figures['mean_adverse'])}, favourable {shown(figures['mean_favourable'])}",
        ),
        (
            "chance",
            f"{tries(chance.trials)} on this series, {chance.independent:,.0f} independent; better than the"
            f" best of so many by chance with probability {chance.deflated:.2f}",
        ),
    ]
    rows += [("caution", caution.text) for caution in part.cautions]
    forward = table(
        (
            "candles",
            "triggers",
            "mean",
            "any candle",
            "edge",
            "95 % interval",
            "hit rate",
            "95 % interval",
            "any candle",
        ),
        [
            (
                f"{row['horizon']:,}",
                f"{row['triggers']:,}",
                shown(row["mean"]),
                shown(row["baseline_mean"]),
                shown(row["edge"]),
                f"{shown(row['edge_low'])} to {shown(row['edge_high'])}",
                percent_of(row["hit_rate"]),
                f"{percent_of(row['hit_low'])} to {percent_of(row['hit_high'])}",
                percent_of(row["baseline_hit_rate"]),
            )
            for row in part.forward.iter_rows(named=True)
        ],
    )
    return f"<h4>{escape(str(part.condition))}</h4>{facts(rows)}{forward}{''.join(plots(part))}"


def plots(part: ConditionReport) -> list[str]:
    """Equity, the event study, forward returns and excursions of one condition."""
    base, equity, study = part.base, part.equity, part.event_study
    times = equity["close_time"].dt.epoch("ms").to_numpy().astype(np.float64)

    def day(value: float) -> str:
        return show_time(int(value))[:10]

    drawn = [
        line_plot(
            "equity after costs",
            [
                Line("holding", times, equity["hold"].to_numpy() - 1, SECOND),
                Line("trading", times, equity["equity"].to_numpy() - 1),
            ],
            show_y=percent,
            show_x=day,
            rule=0.0,
        )
    ]
    if not part.triggers.height:
        return drawn
    offsets = study["offset"].to_numpy().astype(np.float64)
    mean, low, high, usual = (
        study[name].cast(float).fill_null(float("nan")).to_numpy() for name in ("mean", "low", "high", "baseline_mean")
    )
    drawn.append(
        line_plot(
            "price around the triggers",
            [Line("any candle", offsets, usual, SECOND), Line("triggers", offsets, mean, low=low, high=high)],
            show_y=percent,
            show_x=lambda value: f"{value:+.0f}",
            rule=0.0,
            marked_x=0.0,
        )
    )
    longest = int(part.forward["horizon"][-1])
    after = returns_after(base, longest, part.traded.sign)
    opens = base.opens_ms[base.first : base.stop]
    at = np.searchsorted(opens, part.triggers["open_time"].dt.epoch("ms").to_numpy())
    candles = "candle" if longest == 1 else f"{longest} candles"
    drawn.append(
        histogram(
            f"returns over the next {candles}",
            [("any candle", after, SECOND), ("triggers", after[at], ACCENT)],
            show_x=percent,
        )
    )
    adverse, favourable = reaches(base, longest, part.traded.sign)
    drawn.append(
        histogram(
            f"excursions over the next {candles}",
            [
                ("any adverse", adverse, SECOND),
                ("adverse", adverse[at], AGAINST),
                ("favourable", favourable[at], ACCENT),
            ],
            show_x=percent,
        )
    )
    return drawn
