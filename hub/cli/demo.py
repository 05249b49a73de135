"""``hub demo`` and ``hub live``: everything the hub does, on candles that ship with the project, and on live ones."""

import os
import re
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, console, message, print_json


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(demo)
    app.command(live)


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


def live(
    *,
    duration: Annotated[str | None, Parameter(name="--for", help="End by itself after this time: 60s, 5min.")] = None,
    data: Annotated[
        Path | None, Parameter(help="A folder to keep everything in; by default one that is removed at the end.")
    ] = None,
) -> None:
    """Watch the live system without a network: a simulated exchange, `hub up` on it, bots, and their triggers.

    An hour of the simulated market takes a minute. The dashboard's address is printed; Ctrl-C ends everything.
    """
    seconds = None if duration is None else _seconds(duration)
    message("Starting …")
    import tempfile

    from common.settings import load_settings
    from hub.demo.live import live as run_live

    with tempfile.TemporaryDirectory(prefix="hub-live-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(data_dir=Path(folder) if data is None else data.absolute(), store_url=None)
        run_live(settings, _say, for_s=seconds)


def _say(text: str) -> None:
    print(text, flush=True)


def _seconds(text: str) -> float:
    matched = re.fullmatch(r"([0-9]+)\s*(s|min)?", text.strip())
    if matched is None:
        raise HubError(f"--for {text!r} is no time; write 60s or 5min")
    return float(matched[1]) * (60 if matched[2] == "min" else 1)
