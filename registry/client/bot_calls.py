"""The operations on bots that the hub runs, without the network; both clients use them."""

from collections.abc import Mapping
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from registry.client.bodies import as_json
from registry.client.bot_results import Bot, BotAction, BotDeal, BotFill, BotNote, BotOrder, BotsTold
from registry.client.calls import Call, ResultPage, reader
from registry.client.results import Policy

BotCommandWord = Literal["pause", "resume", "stop", "kill"]
Done = TypeVar("Done", BotOrder, BotFill, BotDeal, BotAction, BotNote)
_PATHS: Mapping[type[object], str] = {
    BotOrder: "orders", BotFill: "fills", BotDeal: "deals", BotAction: "triggers", BotNote: "notes",
}  # fmt: skip


def create(
    bot_config: Mapping[str, object], bot_id: str | None, bot_type: str | None, policy: Policy | None
) -> Call[Bot]:
    """Have the hub run a bot."""
    body: dict[str, object] = {"bot_config": bot_config, "bot_id": bot_id, "bot_type": bot_type}
    if policy is not None:
        body["policy"] = msgspec.to_builtins(policy)
    return Call("POST", "/bots", reader(Bot), as_json(body))


def bots(cursor: str | None) -> Call[ResultPage[Bot]]:
    """One page of the user's bots."""
    return Call("GET", "/bots", reader(ResultPage[Bot]), query={"cursor": cursor})


def bot(bot_id: str) -> Call[Bot]:
    """One bot."""
    return Call("GET", _place(bot_id), reader(Bot))


def command(bot_id: str, word: BotCommandWord) -> Call[Bot]:
    """Tell a bot what to do."""
    return Call("POST", f"{_place(bot_id)}/{word}", reader(Bot), b"")


def kill_bots(*, of_all_users: bool) -> Call[BotsTold]:
    """Kill all bots of the user, or of all users."""
    return Call("POST", "/bots/kill-all" if of_all_users else "/bots/kill", reader(BotsTold), b"")


def done_by(bot_id: str, kind: type[Done], cursor: str | None) -> Call[ResultPage[Done]]:
    """One page of what a bot did, newest first."""
    path = f"{_place(bot_id)}/{_PATHS[kind]}"
    return Call("GET", path, reader(ResultPage[kind]), query={"cursor": cursor})  # type: ignore[valid-type]


def _place(bot_id: str) -> str:
    return f"/bots/{quote(bot_id, safe='')}"
