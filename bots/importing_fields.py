"""The JSON of other platforms, field by field. What is of another kind than theirs is refused by its name."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bots.arithmetic import decimal_of
from common.errors import BotConfigError

Json = str | bytes | Mapping[str, Any]


def read_object(source: Json) -> Mapping[str, Any]:
    """A bot's configuration, as it is or as JSON text. Raises :class:`common.errors.BotConfigError` for anything else,
    as all functions here do."""
    if not isinstance(source, str | bytes | Mapping):
        raise BotConfigError(f"the configuration of a bot is a JSON object, not a {type(source).__name__}")
    try:
        # Numbers with a fraction are kept as they are written.
        read = source if isinstance(source, Mapping) else json.loads(source, parse_float=Decimal)
    except ValueError as error:
        raise BotConfigError(f"the configuration is no JSON: {error}") from None
    if not isinstance(read, Mapping):
        raise BotConfigError(f"the configuration of a bot is a JSON object, not a {type(read).__name__}")
    return read


def number_in(source: Mapping[str, Any], name: str) -> Decimal:
    """A number, or its text."""
    try:
        return decimal_of(source.get(name))
    except ValueError as error:
        raise BotConfigError(f"{name}: {error}") from None


def numbers_in(source: Mapping[str, Any], name: str) -> list[Decimal]:
    """A list of numbers or their texts; empty where there is none."""
    try:
        return [decimal_of(one) for one in _listed(source, name)]
    except ValueError as error:
        raise BotConfigError(f"{name}: {error}") from None


def is_on(source: Mapping[str, Any], name: str) -> bool:
    """Whether something is switched on: zero, ``"0.0"``, ``"false"`` and null are not."""
    value = source.get(name)
    if value in (None, False, "", "false", "False"):
        return False
    if value in (True, "true", "True"):
        return True
    return number_in(source, name) != 0


def texts_in(source: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts, or one of them alone; empty where there is none."""
    value = source.get(name)
    listed = [value] if isinstance(value, str) and value else _listed(source, name)
    if not all(isinstance(one, str) for one in listed):
        raise BotConfigError(f"{name} has to be a list of texts")
    return listed


def object_in(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object; empty where there is none."""
    value = source.get(name)
    if not isinstance(value, Mapping | None):
        raise BotConfigError(f"{name} has to be an object, not a {type(value).__name__}")
    return value or {}


def objects_in(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects; empty where there is none."""
    listed = _listed(source, name)
    if not all(isinstance(one, Mapping) for one in listed):
        raise BotConfigError(f"{name} has to be a list of objects")
    return listed


def _listed(source: Mapping[str, Any], name: str) -> list[Any]:
    value = source.get(name)
    if not isinstance(value, list | tuple | None) and value != "":
        raise BotConfigError(f"{name} has to be a list, not a {type(value).__name__}")
    return list(value or ())
