"""``hub candles export``: series as files."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from common.errors import CandlesMissing
from hub.cli.candles import candles, series_named
from hub.cli.opening import open_to_read
from hub.cli.output import AsJson, print_json


def add_to(app: App) -> None:
    """Add the command to the command line; it is one of those of candles."""
    assert app["candles"] is candles
    candles.command(export)


def export(
    series: Annotated[
        list[str], Parameter(help='Series, such as "BTCUSDT 1h"; also those that are built.', negative="")
    ],
    /,
    *,
    to: Annotated[Path, Parameter(help="The file to write: .csv, .parquet or .jsonl.")],
    since: Annotated[str | None, Parameter(help="Candles that open from this time on (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Candles that open before this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Write the candles of series to a file, as the hub judges them, with their close times."""
    from itertools import chain

    from candles.exporting import check_format, exported, write
    from candles.series import SeriesReader
    from common.timeframes import read_time

    check_format(to)
    since_ms, until_ms = (None if text is None else read_time(text) for text in (since, until))
    with open_to_read() as store:
        reader = SeriesReader.of(store)
        named = [series_named(text) for text in series]
        written = write(to, chain.from_iterable(exported(reader, one, since_ms, until_ms) for one in named))
    if not written:
        raise CandlesMissing(f"{', '.join(named)} has no candles in that time; nothing was written")
    if json_output:
        print_json({"file": str(to), "candles": written})
    else:
        print(f"{written:,} candles in {to}")
