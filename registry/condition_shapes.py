"""The shapes in which bots' configurations write conditions, turned into the hub's own JSON.

    {"type": "RSI", "op": "<", "threshold": 30}             ["rsi", "<", 30]             {"rsi": {"below": 30}}
    {"strategy": "rsi", "options": {"time_period": "7", "points": "30", "trigger_condition": "less", "time": "3m"}}
    {"logic": "and", "rules": [{"indicator": "RSI", "operator": "<", "value": 30}, "close > sma(200)"]}

Nothing is checked here: whatever looks like a condition is turned into one, and reading it says what is wrong with it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from common.errors import ConditionError, TimeframeError
from common.timeframes import normalise_timeframe
from condition_hub.json_pointers import step
from registry.condition_words import PLAIN_WORDS, is_operand, is_operator, looks_like_text
from registry.language.as_json.flat import FlatCondition
from registry.language.as_json.objects import OTHER_NAMES
from registry.language.as_json.tree import COMPOSITES

_FIELDS = tuple(FlatCondition.model_fields)
_WHOLE = ("symbol", "exchange", "timeframe", "when")
_NESTED = ("options", "settings", "parameters")
"""What some platforms put the fields of a condition into."""
_LEAF_FIELDS = ("left", "operator", "right", "value", "low", "high", "amount", "percent", "bars")
_LOGIC: dict[str, Literal["all", "any"]] = {"and": "all", "all": "all", "or": "any", "any": "any"}
_LOGIC_FIELDS = ("operator", "op", "logic", "logical_operator", "combine", "match", "mode", "type", "condition")
_LIST_FIELDS = ("conditions", "rules", "items", "list", "children", "of")
_SAME_SERIES = "same"
_DEEPEST = 16
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")


@dataclass(frozen=True, slots=True)
class ConditionShape:
    """A condition as the hub reads it, and where its fields were written."""

    source: str | Mapping[str, object]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of ``source`` -> keys that lead to it from where the condition is."""

    def pointer(self, base: str, inside: str) -> str:
        """The pointer of what is wrong ``inside`` the source of a condition at ``base``, as it was written."""
        _, *parts = inside.split("/")
        if parts and parts[0] in self.keys:
            for key in self.keys[parts[0]]:
                base = step(base, key)
            # Below "when" the tree says "all" or "any" where the list has its own key.
            parts = parts[2:] if parts[0] == "when" else parts[1:]
        return "/".join([base, *parts])


def snake(key: object) -> str:
    """``entryConditions`` -> ``entry_conditions``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)[:64]).lower().replace("-", "_").replace(" ", "_")


def shape_of(
    value: object, key: str, pointer: str, *, announced: bool, levels: int = _DEEPEST
) -> ConditionShape | None:
    """The condition that ``value``, at ``pointer`` below ``key``, is meant as; ``None`` if it is not one.

    Raises :class:`ConditionError` for what can only be a condition and lacks a part, or has a misspelled one, and for
    groups within groups of more than ``levels``.
    """
    if isinstance(value, list | tuple):
        return _of_list(value)
    if not isinstance(value, Mapping):
        return None
    if "when" in value:
        return ConditionShape({name: value[name] for name in _WHOLE if name in value})
    names = {snake(name): name for name in value}
    group = _group_in(value, names, announced=announced)
    if group is not None:
        kind, key_of_list = group
        parts = _trees(value[key_of_list], step(pointer, key_of_list), levels)
        return ConditionShape({**_series_of(value, names), "when": {kind: parts}}, {"when": (key_of_list,)})
    if (
        len(value) == 1
        and next(iter(value)) in COMPOSITES
        and (announced or contains_condition(value, announced=False))
    ):
        return ConditionShape({"when": value})
    return _of_fields(value, key, pointer)


def _of_list(value: list[Any] | tuple[Any, ...]) -> ConditionShape | None:
    """``["rsi", "<", 30]``."""
    if len(value) != 3 or not all(isinstance(part, str) for part in value[:2]):
        return None
    left, operator, right = value
    if not is_operator(operator) or not isinstance(right, str | int | float) or isinstance(right, bool):
        return None
    return ConditionShape({"when": f"{left} {operator} {right}"})


def _group_in(
    value: Mapping[str, object], names: Mapping[str, str], *, announced: bool
) -> tuple[Literal["all", "any"], str] | None:
    """What ``{"logic": "and", "rules": [...]}`` and ``{"or": [...]}`` are in a tree, and the key of their list."""
    for name in ("and", "or"):
        if isinstance(value.get(names.get(name, "")), list | tuple):
            return _LOGIC[name], names[name]
    if len(value) == 1 and names.keys() <= {"all", "any"}:
        ((name, key),) = names.items()
        is_meant = announced or contains_condition(value, announced=False)
        return (_LOGIC[name], key) if is_meant and isinstance(value[key], list | tuple) else None
    for name in _LOGIC_FIELDS:
        logic = value.get(names.get(name, ""))
        kind = _LOGIC.get(logic.lower()) if isinstance(logic, str) else None
        for listed in _LIST_FIELDS:
            if kind is not None and isinstance(value.get(names.get(listed, "")), list | tuple):
                return kind, names[listed]
    return None


def _trees(parts: Any, pointer: str, levels: int) -> list[object]:
    if levels == 0:
        raise ConditionError("conditions are nested too deeply", pointer=pointer)
    trees: list[object] = []
    for place, part in enumerate(parts):
        here = step(pointer, place)
        shape = (
            ConditionShape(part)
            if isinstance(part, str)
            else shape_of(part, "", here, announced=True, levels=levels - 1)
        )
        if shape is None:
            raise unreadable(here)
        is_tree = isinstance(shape.source, Mapping) and shape.source.keys() == {"when"}
        trees.append(shape.source["when"] if is_tree and isinstance(shape.source, Mapping) else shape.source)
    return trees


def _series_of(value: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    named = {name: value[names[name]] for name in ("symbol", "exchange", "timeframe") if name in names}
    return {name: said for name, said in named.items() if said != _SAME_SERIES}


def _of_fields(value: Mapping[str, object], key: str, pointer: str) -> ConditionShape | None:
    """A flat condition, whatever its fields are called."""
    fields, keys = _named_fields(value)
    for nested in _NESTED:
        name = next((name for name in value if snake(name) == nested), None)
        inside = value[name] if name is not None else None
        if name is not None and isinstance(inside, Mapping) and "operator" not in fields:
            more, more_keys = _named_fields(inside)
            if "operator" in more:
                fields, keys = more | fields, {one: (name, *path) for one, path in more_keys.items()} | keys
    if "operator" not in fields and (word := next(filter(is_operator, value), None)) is not None:
        # As in {"rsi": {"below": 30}}.
        fields, keys = {"operator": word, "value": value[word]} | fields, {"operator": (word,), "value": (word,)} | keys
    if "indicator" not in fields and "operator" in fields and is_operand(key):
        fields["indicator"] = key
    leaf = _leaf(value, fields)
    if leaf is not None:
        return ConditionShape({**_series_of(fields, {name: name for name in fields}), "when": leaf})
    if not _is_meant(fields, keys):
        if mentions_condition(value):
            raise unreadable(pointer)
        return None
    for name in value:
        near = get_close_matches(str(name).lower(), _FIELDS, n=1, cutoff=0.8)
        if near and near[0] != str(name) and snake(name) not in OTHER_NAMES and (name,) not in keys.values():
            raise ConditionError(
                f"unknown field {str(name)[:64]!a} (did you mean {near[0]}?); rename it if it is the bot's own",
                pointer=step(pointer, name),
            )
    for missing, example in (("indicator", "RSI"), ("operator", "<")):
        if missing not in fields:
            raise ConditionError(
                f"{missing} is missing, and without it this is no condition; add it (such as {example}), or rename the"
                " fields if they are the bot's own",
                pointer=step(pointer, missing),
            )
    return ConditionShape({name: _number(said) for name, said in fields.items() if said != _SAME_SERIES}, keys)


def _leaf(value: Mapping[str, object], fields: Mapping[str, object]) -> Mapping[str, object] | None:
    """A comparison of a tree: ``{"left": "ema(12)", "operator": "crosses_above", "right": "ema(26)"}``."""
    leaf = {name: value[name] for name in _LEAF_FIELDS if name in value}
    if "indicator" in fields or not is_operator(value.get("operator")):
        return None
    is_one = "left" in leaf or (isinstance(leaf.get("value"), Mapping | str) and len(leaf) > 1)
    return leaf if is_one else None


def _named_fields(value: Mapping[str, object]) -> tuple[dict[str, object], dict[str, tuple[str, ...]]]:
    """The fields of a flat condition in an object, under their own names, and the keys that they have in it."""
    fields: dict[str, object] = {name: value[name] for name in _FIELDS if name in value}
    keys: dict[str, tuple[str, ...]] = {name: (name,) for name in fields}
    for key, said in value.items():
        name = snake(key) if snake(key) in _FIELDS else OTHER_NAMES.get(snake(key))
        if name is not None and name not in fields and _fits(name, key, said):
            fields[name], keys[name] = said, (str(key),)
    return fields, keys


def _fits(name: str, key: str, said: object) -> bool:
    """Whether another name of a field may stand for it here: ``type`` and ``condition`` are also used for others."""
    match name:
        case "indicator":
            return isinstance(said, str) and (snake(key) == "indicator" or is_operand(said))
        case "operator":
            return isinstance(said, str) and (snake(key) in ("operator", "op") or is_operator(said))
        case "timeframe":
            return isinstance(said, str) and _is_timeframe(said)
    return True


def _is_meant(fields: Mapping[str, object], keys: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether fields can only be those of a condition."""
    if "operator" in fields:
        return "indicator" in fields or (is_operator(fields["operator"]) and "value" in fields)
    # Many things have a name and a value; an indicator has a threshold.
    is_named = snake(keys.get("indicator", ("",))[-1]) == "indicator"
    return is_named and "value" in fields and is_operand(fields["indicator"])


def _has_operator_as_key(value: object) -> bool:
    return isinstance(value, Mapping) and any(map(is_operator, value))


def _number(said: object) -> object:
    """Forms save numbers as texts."""
    return float(said) if isinstance(said, str) and _NUMBER.fullmatch(said) else said


def mentions_condition(value: Mapping[str, object]) -> bool:
    """Whether an object names an indicator and an operator, whatever its fields are called."""
    texts = [said for said in value.values() if isinstance(said, str)]
    return any(map(is_operator, texts)) and any(is_operand(text) and text.lower() not in PLAIN_WORDS for text in texts)


def unreadable(pointer: str) -> ConditionError:
    """The error about an object that is meant as a condition and has other fields."""
    return ConditionError(
        f"{pointer or 'the configuration'} cannot be read as a condition; it takes the fields"
        ' {"indicator": "RSI", "operator": "<", "value": 30, "period": 14}, or a text such as "rsi(14) < 30"',
        pointer=pointer,
    )


def contains_condition(value: object, *, announced: bool, levels: int = _DEEPEST) -> bool:
    """Whether a value, or anything in it, looks like a condition."""
    match value:
        case str():
            return looks_like_text(value, announced=announced)
        case list() | tuple():
            is_one = _of_list(value) is not None
        case Mapping():
            fields, keys = _named_fields(value)
            is_one = "when" in value or _is_meant(fields, keys) or _leaf(value, fields) is not None
            is_one |= any(is_operand(key) and _has_operator_as_key(part) for key, part in value.items())
        case _:
            return False
    return is_one or (
        levels > 0 and any(contains_condition(part, announced=announced, levels=levels - 1) for part in _parts(value))
    )


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _is_timeframe(text: str) -> bool:
    try:
        return bool(normalise_timeframe(text))
    except TimeframeError:
        return False
