"""What the demo shows at the end: figures from the store, with where each comes from."""

from dataclasses import asdict, dataclass
from decimal import Decimal

import polars as pl
from rich.console import Console, Group
from rich.table import Table

from analysis.savings import Savings, saved_share, summarise
from events.log.payload import channel
from hub.demo.replay import END, START, Replay
from registry.store.protocol import Store

_SHOWN_TRIGGERS = 6


@dataclass(frozen=True)
class DemoReport:
    """All figures of a demo."""

    totals: dict[str, int]
    indicators: int
    """Unique indicators: one name, one set of parameters, one source, one series."""
    series: int
    triggers: int
    events: int
    examples: list[dict[str, object]]
    savings: Savings
    replay: Replay

    def as_json(self) -> dict[str, object]:
        """The same for machines."""
        return {
            **self.totals,
            "indicators": self.indicators,
            "series": self.series,
            "triggers": self.triggers,
            "events": self.events,
            "examples": self.examples,
            "savings": {
                **asdict(self.savings),
                "measured_share": self.savings.measured_share,
                "modelled_share": self.savings.modelled_share,
            },
            **asdict(self.replay),
        }


def make_report(store: Store, replay: Replay) -> DemoReport:
    """Read the figures of a finished demo."""
    sizes = store.ticks.plan_sizes().values()
    texts = {condition.condition_id: condition.text for condition in store.registry.conditions()}
    popular = store.registry.subscribers()
    examples = (
        store.triggers.after(0, store.triggers.last_seq())
        .with_columns(pl.col("condition_id").replace_strict(popular, default=0).alias("subscribers"))
        # The first trigger of each of the conditions with most subscribers: what most bots acted on.
        .sort("subscribers", "seq", descending=[True, False])
        .unique("condition_id", keep="first", maintain_order=True)
        .head(_SHOWN_TRIGGERS)
    )
    return DemoReport(
        totals=store.registry.totals(),
        indicators=sum(size.indicators for size in sizes),
        series=sum(size.series for size in sizes),
        triggers=store.triggers.last_seq(),
        events=replay.stream_length,
        examples=[
            {
                "time": row["close_time"],
                "condition": texts[row["condition_id"]],
                "price": row["price"],
                "bots": row["subscribers"],
                "channel": channel(row["condition_id"]),
            }
            for row in examples.iter_rows(named=True)
        ],
        savings=summarise(store),
        replay=replay,
    )


def render(report: DemoReport) -> Group:
    """The report for a terminal."""
    totals, savings = report.totals, report.savings
    wanted = Table(title="What was wanted, and what that came down to", title_justify="left")
    for header in ("users", "bots", "subscriptions", "unique conditions", "unique indicators", "series"):
        wanted.add_column(header, justify="right")
    wanted.add_row(
        *(f"{totals[name]:,}" for name in ("users", "bots", "subscriptions", "conditions")),
        f"{report.indicators:,}",
        f"{report.series:,}",
    )

    happened = Table(
        title=f"{START:%Y-%m-%d} to {END:%Y-%m-%d}, {savings.ticks:,} ticks: {report.triggers:,} triggers, "
        f"{report.events:,} events in the stream; those that most bots waited for",
        title_justify="left",
    )
    for header, justify in (("closed, UTC", "left"), ("condition", "left"), ("price", "right"), ("bots", "right")):
        happened.add_column(header, justify="right" if justify == "right" else "left")
    for row in report.examples:
        happened.add_row(
            format(row["time"], "%Y-%m-%d %H:%M"), str(row["condition"]), f"{row['price']:,}", f"{row['bots']:,}"
        )

    counts = Table(title="Counted: work for the same verdicts", title_justify="left")
    for header in ("", "isolated bots", "equal conditions shared", "done", "avoided"):
        counts.add_column(header, justify="left" if not header else "right")
    for name, isolated, equal, done in (
        ("evaluations", savings.isolated_evaluations, savings.evaluations, savings.evaluations),
        ("indicator computations", savings.isolated_indicators, savings.equal_sharing_indicators, savings.indicators),
        ("candle loads", savings.isolated_loads, savings.equal_sharing_loads, savings.loads),
    ):
        counts.add_row(
            name, f"{isolated:,}", f"{equal:,}", f"{done:,}", f"{isolated - done:,} ({saved_share(isolated, done):.2%})"
        )

    times = Table(title="Time for the same verdicts", title_justify="left")
    for header in ("", "isolated bots", "this hub", "saved"):
        times.add_column(header, justify="left" if not header else "right")
    if savings.measured_isolated_s is not None and savings.measured_share is not None:
        times.add_row(
            "measured here (candles in a local file)",
            f"{savings.measured_isolated_s:,.1f} s",
            f"{savings.measured_shared_s:,.1f} s",
            f"{savings.measured_share:.2%}",
        )
    times.add_row(
        "modelled (100 ms load, 50 ms indicator, 10 ms check)",
        f"{savings.modelled_isolated_s:,.0f} s",
        f"{savings.modelled_shared_s:,.0f} s",
        f"{savings.modelled_share:.2%}",
    )
    bots = Table(
        title="Bots that acted, on paper; amounts in USDT, after fees, coins at the last close", title_justify="left"
    )
    for header in ("bot", "triggers", "deals", "won", "orders", "profit", "fees", "drawdown", "as simulated"):
        bots.add_column(header, justify="left" if header == "bot" else "right")
    for bot in report.replay.acted:
        bots.add_row(
            f"{bot.kind.replace('_', ' ')} {bot.symbol}",
            *(f"{count:,}" for count in (bot.triggers, bot.deals, bot.won, bot.orders)),
            f"{Decimal(bot.profit):+,.2f}",
            f"{Decimal(bot.fees):,.2f}",
            f"{bot.drawdown:,.2f}",
            "yes" if bot.is_as_simulated else "no",
        )
    seconds = ", ".join(f"{phase.lower()} {spent:.1f} s" for phase, spent in report.replay.phase_seconds.items())
    return Group(
        wanted, "", happened, "", counts, "", times, "", bots, "",
        f"{report.replay.flow_runs} Prefect flow runs. Phases: {seconds}.",
    )  # fmt: skip


def print_report(report: DemoReport, console: Console, *, dashboard_command: str) -> None:
    """Print the report, and how to continue."""
    console.print(render(report))
    console.print(f"\nOpen the dashboard on this data:  [bold]{dashboard_command}[/bold]", highlight=False)
