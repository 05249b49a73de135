"""``hub backtest``: what a condition would have done, or every combination of a template's parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from common.errors import BacktestError
from hub.cli.conditions import as_typed
from hub.cli.opening import hub_settings, open_to_backtest
from hub.cli.output import AsJson, console, message, print_json

if TYPE_CHECKING:
    from analysis.backtesting.templates import Value


def add_to(app: App) -> None:
    """Add the command to the command line."""
    app.command(backtest)


def backtest(
    condition: Annotated[
        str, Parameter(help="A condition, or with --vary a template such as 'BTCUSDT 1h: rsi({period}) < {level}'.")
    ],
    *,
    vary: Annotated[
        list[str] | None,
        Parameter(
            help="Values of a parameter of the template: period=5:30 (both ends), level=20:40:5 or"
            " symbol=BTCUSDT,ETHUSDT. Once for each; every combination is traded."
        ),
    ] = None,
    side: Annotated[Literal["long", "short"], Parameter(help="Which way it trades.")] = "long",
    exit: Annotated[str | None, Parameter(help="A condition of the same series that closes a position.")] = None,
    horizon: Annotated[int | None, Parameter(help="Candles after which a position is closed.")] = None,
    stop: Annotated[float | None, Parameter(help="A stop so many percent from the entry.")] = None,
    target: Annotated[float | None, Parameter(help="A target so many percent from the entry.")] = None,
    fee: Annotated[float, Parameter(help="Percent of what a fill trades.")] = 0.1,
    slippage: Annotated[float, Parameter(help="Percent by which fills at market are worse.")] = 0.05,
    horizons: Annotated[str, Parameter(help="Candles over which returns are compared with any candle's.")] = "1,4,24",
    since: Annotated[str | None, Parameter(help="Triggers of candles that close after this time (UTC).")] = None,
    until: Annotated[str | None, Parameter(help="Triggers of candles that close by this time (UTC).")] = None,
    json_output: AsJson = False,
) -> None:
    """Show what a condition would have done on the stored candles, with costs, and whether chance gives as much.

    Entry is at the open after a trigger. The exit is what comes first of --exit, --horizon, --stop and --target; within
    a candle the stop comes before the target.
    """
    settings = hub_settings()
    import analysis
    from analysis.backtesting.trials import FolderTrials
    from registry.naming import reading

    steps, varied = _whole_numbers(horizons), dict(map(_values, vary or ()))
    if not varied and "{" in condition and not condition.lstrip().startswith("{"):
        raise BacktestError(f"the template {condition!r} has no parameters; pass them: --vary period=5:30")
    rules: dict[str, Any] = {
        "side": side,
        "stop_percent": stop,
        "target_percent": target,
        "fee_percent": fee,
        "slippage_percent": slippage,
        "start": since,
        "end": until,
        "exchange": settings.default_exchange,
        "trials": FolderTrials(settings.data_dir / "trials"),
    }
    with open_to_backtest() as store, reading(store.candles.directory()):
        if varied:
            has_end = any(each is not None for each in (exit, horizon, stop, target))
            swept = analysis.sweep(
                condition,
                store,
                varied,
                exit=exit,
                horizon=horizon if has_end else steps[-1],
                progress=_shown_progress,
                **rules,
            )
            shown, data = swept.lines(), swept.to_dict()
        else:
            report = analysis.backtest(
                as_typed(condition),
                store,
                exit=None if exit is None else as_typed(exit),
                horizon=horizon,
                horizons=steps,
                **rules,
            )
            shown, data = report.lines(), report.to_dict()
    if json_output:
        print_json(data)
        return
    for line in shown:
        console().print(line, highlight=False, markup=False, soft_wrap=True)


def _shown_progress(done: int, total: int) -> None:
    if total > 1:
        message(f"{done} of {total} parts judged")


def _values(text: str) -> "tuple[str, Sequence[Value]]":
    """``level=20:40:5`` -> level and 20, 25, 30, 35, 40; ``symbol=BTCUSDT,ETHUSDT`` -> symbol and the two."""
    name, is_there, values = text.partition("=")
    if not (is_there and name.strip() and values.strip()):
        raise BacktestError(
            f"--vary {text!r} cannot be read; write period=5:30, level=20:40:5 or symbol=BTCUSDT,ETHUSDT"
        )
    bounds = values.split(":")
    if len(bounds) in (2, 3):
        try:
            low, high, *rest = map(float, bounds)
        except ValueError:
            raise BacktestError(
                f"--vary {text!r}: {values!r} is no range; write FIRST:LAST or FIRST:LAST:STEP"
            ) from None
        step = rest[0] if rest else 1.0
        if step <= 0 or high < low:
            raise BacktestError(f"--vary {text!r}: a range goes up, in steps above 0; write FIRST:LAST:STEP")
        count = int((high - low) / step + 1e-9) + 1
        return name.strip(), [_plain(low + number * step) for number in range(count)]
    return name.strip(), [each.strip() for each in values.split(",")]


def _plain(value: float) -> "Value":
    rounded = round(value, 10)
    return int(rounded) if rounded == int(rounded) else rounded


def _whole_numbers(text: str) -> list[int]:
    try:
        return sorted(int(each) for each in text.split(","))
    except ValueError:
        raise BacktestError(f"--horizons {text!r} cannot be read; write numbers of candles: 1,4,24") from None
