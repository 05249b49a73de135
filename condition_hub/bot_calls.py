"""The operations on bots that the hub runs, without the network; both clients use them."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from condition_hub.bodies import as_json, path_part
from condition_hub.bot_results import BotAction, BotDeal, BotFill, BotNote, BotOrder, BotPreview, BotsTold, HubBot
from condition_hub.calls import Call, ResultPage, reader
from condition_hub.results import Policy

BotCommandWord = Literal["pause", "resume", "stop", "kill"]
DoneByBot = TypeVar("DoneByBot", BotOrder, BotFill, BotDeal, BotAction, BotNote)
_PATHS: Mapping[type[object], str] = {
    BotOrder: "orders", BotFill: "fills", BotDeal: "deals", BotAction: "triggers", BotNote: "notes",
}  # fmt: skip


def create(
    bot_config: Mapping[str, object], bot_id: str | None, bot_type: str | None, policy: Policy | None
) -> Call[HubBot]:
    """Have the hub run a bot."""
    body: dict[str, object] = {"bot_config": bot_config, "bot_id": bot_id, "bot_type": bot_type}
    if policy is not None:
        body["policy"] = msgspec.to_builtins(policy)
    return Call("POST", "/bots", reader(HubBot), as_json(body))


def preview(bot_config: Mapping[str, object], bot_id: str | None, bot_type: str | None) -> Call[BotPreview]:
    """What asking for a bot would do."""
    body = {"bot_config": bot_config, "bot_id": bot_id, "bot_type": bot_type}
    return Call("POST", "/bot-preview", reader(BotPreview), as_json(body))


def bots(cursor: str | None) -> Call[ResultPage[HubBot]]:
    """One page of the user's bots."""
    return Call("GET", "/bots", reader(ResultPage[HubBot]), query={"cursor": cursor})


def bot(bot_id: str) -> Call[HubBot]:
    """One bot."""
    return Call("GET", _place(bot_id), reader(HubBot))


def command(bot_id: str, word: BotCommandWord) -> Call[HubBot]:
    """Tell a bot what to do."""
    return Call("POST", f"{_place(bot_id)}/{word}", reader(HubBot), b"")


def kill_bots(*, of_all_users: bool) -> Call[int]:
    """Kill all bots of the user, or of all users; how many were told."""
    read = reader(BotsTold)
    path = "/kill-switch/all" if of_all_users else "/kill-switch"
    return Call("POST", path, lambda response: read(response).bots, b"")


def done_by(bot_id: str, kind: type[DoneByBot], cursor: str | None) -> Call[ResultPage[DoneByBot]]:
    """One page of what a bot did, newest first."""
    path = f"{_place(bot_id)}/{_PATHS[kind]}"
    return Call("GET", path, reader(ResultPage[kind]), query={"cursor": cursor})  # type: ignore[valid-type]


def _place(bot_id: str) -> str:
    return f"/bots/{path_part(bot_id)}"
