"""``hub bots simulate``: what a bot would have done on the candles in the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.bots import ConfigFile, bots, read_config
from hub.cli.opening import hub_settings, open_to_read
from hub.cli.output import AsJson, message, print_beside, print_json, table_lines

if TYPE_CHECKING:
    from bots.simulation import Simulation


def add_to(app: App) -> None:
    """Add the command to the command line; it is one of those of bots."""
    assert app["bots"] is bots
    bots.command(simulate)


def simulate(
    config: ConfigFile,
    /,
    *,
    since: Annotated[str | None, Parameter(help="The bot sees candles that close after this time (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="It sees candles that close by this time (UTC).")] = None,
    symbol: Annotated[str | None, Parameter(help="Which of the bot's markets, if it has several.")] = None,
    kind: Annotated[
        str | None, Parameter(help="dca, grid, trend or market_making, if the configuration does not say bot_type.")
    ] = None,
    html: Annotated[Path | None, Parameter(help="Write a page with plots, too.")] = None,
    json_output: AsJson = False,
) -> None:
    """Run a bot over stored candles, from one configuration, with a paper account: its deals, orders, profit and fees.

    A bot that trades live on paper places the same orders on the same candles.
    """
    bot_config = read_config(config)
    settings = hub_settings()
    from bots.configured_simulation import simulate_bot
    from bots.simulation_figures import as_json

    with open_to_read() as store:
        message("Running over the candles …")
        simulation = simulate_bot(
            bot_config,
            store,
            kind=kind,
            symbol=symbol,
            since=since,
            until=until,
            exchange=settings.default_exchange,
        )
    if html is not None:
        from bots.simulation_html import page

        try:
            html.write_text(page(simulation))
        except OSError as error:
            raise HubError(f"{html} cannot be written: {error.strerror}") from None
    if json_output:
        print_json(as_json(simulation))
    else:
        _print(simulation)
    if html is not None:
        message(f"The page with plots is {html}")


def _print(simulation: "Simulation[Any]") -> None:
    from bots.simulation_figures import LEFT, SHOWN_DEALS, deal_columns, facts_of

    print(f"{simulation.bot_id} on {simulation.series}")
    for name, text in facts_of(simulation):
        print_beside(f"{name:<12}", text)
    if simulation.deals.is_empty():
        if simulation.orders.is_empty():
            message("It placed no order; try another time with --since and --until, or other conditions")
        return
    columns = deal_columns(simulation)
    # A line has 80 columns, and what is left out is in --json.
    columns.pop("quantity", None)
    first, last = simulation.equity["time"][0], simulation.equity["time"][-1]
    if first.year == last.year:
        year = f"{first.year}-"
        for name in {"opened", "closed"} & columns.keys():
            columns[name] = [cell.removeprefix(year) for cell in columns[name]]
    else:
        columns.pop("opened", None)
    print()
    right = [number for number, name in enumerate(columns) if name not in LEFT]
    for line in table_lines([tuple(columns), *zip(*columns.values(), strict=True)], right=right):
        print(line)
    if (more := simulation.deals.height - SHOWN_DEALS) > 0:
        print(f"and {more:,} before; --json has all")
