"""``hub bots``: bots that the hub runs. Whoever has HUB_API_KEY sees and tells their own."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_beside, print_json, print_table

if TYPE_CHECKING:
    from condition_hub.blocking import HubClient
    from condition_hub.bot_results import HubBot

bots = App(name="bots", help="Bots that act on triggers: your own, by HUB_API_KEY.")

ConfigFile = Annotated[
    Path,
    Parameter(help="The bot's configuration, a JSON file; - reads it from stdin.", allow_leading_hyphen=True),
]
OwnBot = Annotated[str, Parameter(help="The bot's name.")]
MostShown = Annotated[int, Parameter(help="How many to show at most.")]
DoneKind = Literal["deals", "orders", "fills", "triggers", "notes"]
_COLUMNS: dict[DoneKind, tuple[str, ...]] = {
    "deals": ("closed_at", "instrument", "deal", "direction", "reason", "profit"),
    "orders": ("placed_at", "instrument", "purpose", "side", "quantity", "price"),
    "fills": ("filled_at", "instrument", "purpose", "side", "quantity", "price"),
    "triggers": ("closed_at", "condition_id", "role", "price", "orders"),
}
"""What fits into 80 columns; --json has everything."""


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(bots)


@bots.command
def run() -> None:
    """Run the bots of the data folder until Ctrl-C; `hub up` does so by itself."""
    from hub.bot_runner import run_bots
    from hub.logs import announce, log_to_stderr

    settings = hub_settings()
    log_to_stderr()
    run_bots(settings, announce)


@bots.command
def create(
    config: ConfigFile,
    *,
    name: Annotated[str | None, Parameter(help="The bot's name, if the configuration has no bot_id.")] = None,
    kind: Annotated[
        str | None, Parameter(help="dca, grid, trend or market_making, if the configuration has no bot_type.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Have the hub run a bot: its conditions are registered and subscribed to, all or nothing. On paper by default."""
    with _client() as client:
        made = client.create_bot(read_config(config), bot_id=name, bot_type=kind)
    if json_output:
        print_json(_as_json(made))
        return
    where = ", ".join(
        market.instrument if market.timeframe is None else f"{market.instrument} on its {market.timeframe} candles"
        for market in made.markets
    )
    message(f"bot {made.bot_id} ({made.bot_type}, {made.account}) acts in {where}; hub bots show {made.bot_id}")
    for market in made.markets:
        if market.data == "missing":
            message(
                f"there are no candles of {market.instrument} yet, so it cannot act: `hub up` fetches them where its"
                " exchange is known; otherwise: hub candles import FILE"
            )


@bots.command(name="list")
def list_bots(
    *,
    all_of_them: Annotated[bool, Parameter(name="--all", negative="", help="Ended ones as well.")] = False,
    json_output: AsJson = False,
) -> None:
    """List your bots, with their gain after fees in each quote currency."""
    with _client() as client:
        listed = [bot for bot in client.bots() if all_of_them or bot.life == "active"]
    if json_output:
        print_json([_as_json(bot) for bot in listed])
    elif listed:
        rows = [row for bot in listed for row in _rows(bot)]
        print_table([("bot", "type", "account", "status", "deals", "gain", "fees", "in"), *rows])
    else:
        message("no bots; create one: hub bots create FILE")


@bots.command
def show(
    bot_id: OwnBot,
    *,
    what: Annotated[DoneKind | None, Parameter(help="Show these instead, newest first.")] = None,
    limit: MostShown = 20,
    json_output: AsJson = False,
) -> None:
    """Show how one of your bots stands, or what it did; --json has every field."""
    with _client() as client:
        if what is not None:
            _show_done(client, bot_id, what, limit, json_output)
            return
        bot = client.bot(bot_id)
    if json_output:
        print_json(_as_json(bot))
        return
    from common.timeframes import show_time

    print_beside("bot         ", f"{bot.bot_id}, {bot.bot_type} on {bot.account}, {bot.life}")
    for one in bot.gains:
        currency = one.quote_currency or f"in {one.instruments[0]}"
        print_beside("gain        ", f"{_short(one.gain)} {currency} after {_short(one.fees)} {currency} of fees")
    for market in bot.markets:
        seen = "no candle yet" if market.candle_at is None else f"seen until {show_time(market.candle_at)}"
        print_beside(
            f"{market.instrument:<12}",
            f" {market.status}, {market.deals} deals, {market.orders} orders, {seen}"
            + ("" if market.timeframe is None else f", on {market.timeframe} candles"),
        )
        if market.error is not None:
            print_beside("            ", f"error: {market.error}; hub bots resume {bot.bot_id}, or kill")
    for use in bot.conditions:
        print_beside(f"{use.role:<12}", f"{use.condition_id} in {use.instrument}")


@bots.command
def pause(bot_id: OwnBot, *, json_output: AsJson = False) -> None:
    """Begin nothing new; what is under way goes on."""
    _tell(bot_id, "pause", json_output)


@bots.command
def resume(bot_id: OwnBot, *, json_output: AsJson = False) -> None:
    """Go on; after an error, try again."""
    _tell(bot_id, "resume", json_output)


@bots.command
def stop(bot_id: OwnBot, *, json_output: AsJson = False) -> None:
    """Close after what is under way."""
    _tell(bot_id, "stop", json_output)


@bots.command
def kill(
    bot_id: Annotated[str | None, Parameter(help="The bot's name.")] = None,
    *,
    mine: Annotated[bool, Parameter(negative="", help="All of your bots.")] = False,
    everybodys: Annotated[bool, Parameter(negative="", help="The bots of all users; for operators.")] = False,
    json_output: AsJson = False,
) -> None:
    """Take all orders back, trade back at market, and close: one bot, all of yours, or everybody's."""
    if (bot_id is not None) + mine + everybodys != 1:
        raise HubError("say which: hub bots kill BOT, hub bots kill --mine, or hub bots kill --everybodys")
    if bot_id is not None:
        _tell(bot_id, "kill", json_output)
        return
    with _client() as client:
        told = client.kill_bots(of_all_users=everybodys)
    if json_output:
        print_json({"bots": told})
    else:
        message(f"{told} bots are told to close")


def _tell(bot_id: str, word: Literal["pause", "resume", "stop", "kill"], json_output: bool) -> None:
    with _client() as client:
        bot = client.tell_bot(bot_id, word)
    if json_output:
        print_json(_as_json(bot))
    else:
        message(f"bot {bot_id} is told to {word}; hub bots show {bot_id} shows what came of it")


def _show_done(client: "HubClient", bot_id: str, what: DoneKind, limit: int, json_output: bool) -> None:
    from itertools import islice

    from condition_hub import bot_results

    kinds: dict[DoneKind, Any] = {
        "deals": bot_results.BotDeal, "orders": bot_results.BotOrder, "fills": bot_results.BotFill,
        "triggers": bot_results.BotAction, "notes": bot_results.BotNote,
    }  # fmt: skip
    done = [_as_json(one) for one in islice(client.done_by_bot(bot_id, kinds[what]), limit)]
    if json_output:
        print_json(done)
    elif not done:
        message(f"no {what} yet; hub bots show {bot_id} shows how it stands")
    elif what == "notes":
        for note in done:
            print_beside(f"{_cell('noted_at', note['noted_at'])}  ", note["text"])
    else:
        columns = _COLUMNS[what]
        if len({one["instrument"] for one in done}) == 1:
            columns = tuple(name for name in columns if name != "instrument")
        print_table([columns, *(tuple(_cell(name, one[name]) for name in columns) for one in done)])


def _as_json(answer: Any) -> dict[str, Any]:
    """An answer with times as texts, under names as they are."""
    import msgspec

    from common.timeframes import iso_time

    def timed(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: timed(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [timed(each) for each in value]
        return iso_time(value) if name.endswith("_at") and isinstance(value, int) else value

    read: dict[str, Any] = timed(msgspec.to_builtins(answer))
    return read


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name.endswith("_at"):
        return str(value).replace("T", " ")[: len("2024-08-05 01:15")]
    return _short(str(value)) if name == "profit" else str(value)


def _rows(bot: "HubBot") -> list[tuple[object, ...]]:
    """One for each quote currency, as amounts of several are not one."""
    statuses = ", ".join(sorted({market.status for market in bot.markets}))
    about = (bot.bot_id, bot.bot_type, bot.account, statuses, sum(market.deals for market in bot.markets))
    return [
        (*(("",) * len(about) if place else about), _short(one.gain), _short(one.fees),
         one.quote_currency or one.instruments[0])
        for place, one in enumerate(bot.gains)
    ]  # fmt: skip


def _short(amount: str) -> str:
    """Cents, and more digits of what is less than one: it may be in BTC."""
    from decimal import Decimal

    exact = Decimal(amount)
    return f"{exact:,.{2 if abs(exact) >= 1 or not exact else 8}f}"


def read_config(path: Path) -> dict[str, object]:
    """A bot's configuration from a JSON file, or from stdin if that is ``-``. What is in it is never repeated: it is
    its owner's."""
    name = "stdin" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if name == "stdin" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise HubError(f"cannot read {name}: {error.strerror}") from None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise HubError(f"{name} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise HubError(f"{name} has to be a JSON object, the bot's configuration")
    return config


def _client() -> "HubClient":
    from condition_hub.blocking import HubClient

    return HubClient()
