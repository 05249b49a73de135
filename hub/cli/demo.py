"""``hub demo``: everything the hub does, on the candles that ship with the project."""

import os
from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, console, message, print_json


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(demo)


def demo(
    *,
    bots: Annotated[int, Parameter(help="Number of simulated bots.")] = 4_000,
    seed: Annotated[int, Parameter(help="The same seed gives the same bots.")] = 20240805,
    json_output: AsJson = False,
) -> None:
    """Run the whole hub on the real candles that ship with the project: the crash of 5 August 2024.

    Imports candles, registers the conditions of simulated bots, replays three days through Prefect flow runs with an
    embedded Valkey, and reports what sharing saved. Everything is kept in the folder `demo` inside HUB_DATA_DIR; a
    second run of the same bots adds nothing to it.
    """
    from common.settings import load_settings

    settings = load_settings(data_dir=hub_settings().data_dir / "demo", store_url=None)
    if bots < 1:
        raise HubError(f"--bots must be at least 1, got {bots}")
    message("Loading libraries …")
    from common.console import ConsoleProgress
    from hub.demo.replay import replay_demo
    from hub.demo.report import make_report, print_report
    from registry.store import open_configured

    with ConsoleProgress(console(stderr=True)) as progress:
        replay = replay_demo(settings, progress, bots=bots, seed=seed)
    with open_configured(settings, read_only=True) as store:
        report = make_report(store, replay)
    if json_output:
        print_json(report.as_json())
    else:
        shown = os.path.relpath(settings.data_dir)
        print_report(report, console(), dashboard_command=f"make dashboard DATA={shown}")
