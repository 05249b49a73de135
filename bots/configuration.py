"""What the four configurations share: how they are read, and how they say what is wrong."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from common.errors import BotConfigError
from common.spelling import did_you_mean
from registry.condition_shapes import contains_condition, snake

_BESIDE = frozenset({
    "symbol", "symbols", "pair", "market", "exchange", "timeframe", "interval", "selected_pairs", "bot_id", "bot_type",
    "type", "id", "name", "title", "label", "description", "comment", "note", "notes", "enabled", "active",
    "account_id", "account", "paper", "protections",
})  # fmt: skip
"""What stands in a bot's configuration beside its parameters."""
_CONDITION_WORDS = frozenset({"condition", "conditions", "signal", "signals", "rule", "rules", "entry", "exit"})


class BotConfig(BaseModel):
    """A configuration of a bot: frozen, checked when it is made, equal to another of the same parameters.

    Numbers may be written as text; floats are read as they are printed. Names may be written ``like_this`` or
    ``likeThis``. Raises :class:`common.errors.BotConfigError`, which names the parameter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    OTHER_NAMES: ClassVar[Mapping[str, str]] = {}
    """Other platforms' names of parameters."""
    GROUPS: ClassVar[frozenset[str]] = frozenset()
    """Objects in a bot's configuration that have more parameters in them."""

    def __init__(self, **parameters: Any) -> None:
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise BotConfigError(told(error, type(self))) from None

    @classmethod
    def parse(cls, bot_config: Mapping[str, object]) -> Self:
        """The parameters in a whole configuration as bots subscribe with it; its conditions, names and notes are not
        looked at. Printed dots, ``{...}``, are an empty object."""
        return cls(**cls.parameters_in(bot_config))

    @classmethod
    def parameters_in(cls, bot_config: Mapping[str, object]) -> dict[str, object]:
        """What of a whole configuration are parameters, or :attr:`GROUPS` of them."""
        parameters: dict[str, object] = {}
        for key, value in bot_config.items():
            name = cls.OTHER_NAMES.get(snake(key), snake(key))
            is_ours = name in cls.GROUPS or name in cls.model_fields
            if is_ours or (name not in _BESIDE and not _is_condition(name, value)):
                parameters[str(key)] = value
        return parameters

    @classmethod
    def of_group(cls, group: object) -> dict[str, object]:
        """The parameters in one of the :attr:`GROUPS`, under our names."""
        return cls.under_our_names(cls.parameters_in(group)) if isinstance(group, Mapping) else {}

    def sizes_in_quote(self) -> Iterable[tuple[str, Decimal]]:
        """(name, size) of each order whose size is known in quote, whatever the price."""
        return ()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, parameters: Any) -> Any:
        return cls.under_our_names(parameters) if isinstance(parameters, Mapping) else parameters

    @classmethod
    def under_our_names(cls, parameters: Mapping[str, object]) -> dict[str, object]:
        """Parameters under our names, with those in :attr:`GROUPS` among them."""
        named: dict[str, object] = {}
        for key, value in parameters.items():
            name = cls.OTHER_NAMES.get(snake(key), snake(key))
            is_group = name in cls.GROUPS
            ours = cls.of_group(value) if is_group else {name if name in cls.model_fields else key: value}
            if twice := ours.keys() & named.keys():
                raise ValueError(f"{', '.join(sorted(twice))} is said twice, once in {key}")
            named |= ours
        return named


def _is_condition(name: str, value: object) -> bool:
    if name.rsplit("_", 1)[-1] in _CONDITION_WORDS:
        return isinstance(value, str | list | tuple | Mapping | set)
    return not isinstance(value, int | float) and contains_condition(value, announced=False)


def told(error: ValidationError, kind: type[BaseModel], group: str = "") -> str:
    """What is wrong with parameters, each by its name; those of a ``group``, such as ``paper``, with its name."""
    parts = []
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in ((group, *one["loc"]) if group else one["loc"]))
        name = place.removeprefix(f"{group}.")
        if one["type"] == "extra_forbidden":
            parts.append(f"{place} is no parameter of this bot{did_you_mean(snake(name), kind.model_fields)}")
            continue
        if one["type"] == "missing":
            described = kind.model_fields[name].description if name in kind.model_fields else None
            parts.append(f"{place} is needed{f': {described}' if described else ''}")
            continue
        if one["type"] == "model_type":
            parts.append(f"{place} should be an object (it is {str(one['input'])[:40]})")
            continue
        message = one["msg"].removeprefix("Value error, ")
        was = "" if one["type"] == "value_error" else f" (it is {str(one['input'])[:40]})"
        parts.append(f"{place}: {message}{was}" if place else message)
    return "; ".join(parts)
