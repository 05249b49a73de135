"""What each condition in a bot's configuration is to the bot.

    {"entryConditions": [...], "exitConditions": [...], "dcaRules": {"rules": [...]}, "opposite": "..."}

The innermost word decides: that of a key, or what an object says of all conditions in it: ``"role": "exit"``, or
``"action"`` or ``"side"`` with ``buy``, ``sell``, ``enter``, ``exit`` or ``add``. What says nothing is an entry.
"""

from collections.abc import Mapping
from typing import Any

from bots.machine import ROLES, ConditionRole
from common.errors import BotConfigError
from registry.condition_shapes import snake
from registry.conditions import Condition
from registry.extraction import placed_conditions

_WORDS: Mapping[str, ConditionRole] = {
    "entry": "entry", "entries": "entry", "enter": "entry", "open": "entry", "start": "entry", "buy": "entry",
    "long": "entry", "exit": "exit", "exits": "exit", "close": "exit", "sell": "exit", "end": "exit",
    "safety": "safety", "dca": "safety", "add": "safety", "averaging": "safety",
    "opposite": "opposite", "reverse": "opposite",
}  # fmt: skip
_SAID_BY = ("role", "action", "side")


def conditions_with_roles(
    bot_config: Mapping[str, object],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    default_exchange: str = "BINANCE",
) -> list[tuple[Condition, ConditionRole]]:
    """The conditions of a whole configuration with their roles, in its order, each pair once.

    Raises :class:`common.errors.ConditionError` for what cannot be read as a condition, and
    :class:`common.errors.BotConfigError` for a role that there is not.
    """
    placed = placed_conditions(bot_config, symbol=symbol, timeframe=timeframe, default_exchange=default_exchange)
    is_short = any(bot_config.get(key) == "short" for key in ("strategy", "direction"))
    pairs = [(condition, _role(bot_config, pointer, is_short=is_short)) for pointer, condition in placed]
    return list({(condition.id, role): (condition, role) for condition, role in pairs}.values())


def _role(bot_config: Mapping[str, object], pointer: str, *, is_short: bool) -> ConditionRole:
    """Who is short sells to enter."""
    value: Any = bot_config
    role: ConditionRole = "entry"
    place = ""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list | tuple) else value[key]
        place = f"{place}/{part}"
        for word in snake(key).split("_"):
            role = _of(word, is_short=is_short) or role
        if isinstance(value, Mapping):
            role = _said(value, place, role, is_short=is_short)
    return role


def _said(value: Mapping[str, object], place: str, role: ConditionRole, *, is_short: bool) -> ConditionRole:
    """The role that an object says, or the one it has anyway. A safety order is a purchase as well."""
    saying = {snake(key): (key, text) for key, text in value.items() if isinstance(text, str)}
    for name in _SAID_BY:
        if name in saying:
            key, text = saying[name]
            said = _of(snake(text).split("_")[0], is_short=is_short)
            if said is None:
                raise BotConfigError(f"{place}/{key} is {text[:40]!r}; write one of {', '.join(ROLES)}")
            is_same = role == "safety" and said == "entry" and name != "role"
            return role if is_same else said
    return role


def _of(word: str, *, is_short: bool) -> ConditionRole | None:
    if is_short and word in ("buy", "sell", "long", "short"):
        return {"buy": "exit", "sell": "entry", "long": "exit", "short": "entry"}[word]  # type: ignore[return-value]
    return _WORDS.get(word)
