"""Conditions with named parameters: ``"{symbol} 1h: rsi({period}) crosses_below {level}"``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from string import Formatter

from common.errors import BacktestError, ConditionError, HubError
from common.spelling import did_you_mean
from registry.conditions import Condition

Value = str | int | float
MOST_COMBINATIONS = 1_000_000


@dataclass(frozen=True)
class Combination:
    """One choice of all parameters, with the conditions that it makes."""

    values: Mapping[str, Value]
    condition: Condition
    exit: Condition | None


@dataclass(frozen=True)
class Combinations:
    """All that a template makes, and what could not be read of it."""

    names: tuple[str, ...]
    made: tuple[Combination, ...]
    unreadable: tuple[tuple[Mapping[str, Value], str], ...]
    """Values, and what is wrong with the condition that they make."""


def combine(
    template: str, exit_template: str | None, parameters: Mapping[str, Sequence[Value]], exchange: str
) -> Combinations:
    """All combinations of the parameters. Raises :class:`common.errors.BacktestError` for a name that is only in the
    template or only among the parameters, and the first :class:`common.errors.ConditionError` if no combination can be
    read."""
    texts = [template] if exit_template is None else [template, exit_template]
    used = {name for text in texts for name in names_in(text)}
    for name in sorted(used - set(parameters)):
        raise BacktestError(
            f"the template has a parameter {{{name}}} without values{did_you_mean(name, parameters)}; pass {name}=[...]"
        )
    for name in sorted(set(parameters) - used):
        raise BacktestError(
            f"parameter {name!r} is not in the template{did_you_mean(name, used)}; write {{{name}}} where its value"
            " belongs"
        )
    names = tuple(parameters)
    choices = {name: list(dict.fromkeys(values)) for name, values in parameters.items()}
    for name, values in choices.items():
        if not values:
            raise BacktestError(f"parameter {name!r} has no values")
    count = prod(len(values) for values in choices.values())
    if count > MOST_COMBINATIONS:
        raise BacktestError(f"{count:,} combinations are more than {MOST_COMBINATIONS:,}; take fewer values")
    made: list[Combination] = []
    unreadable: list[tuple[Mapping[str, Value], str]] = []
    first_error: HubError | None = None
    for combination in product(*choices.values()):
        chosen = dict(zip(names, combination, strict=True))
        try:
            conditions = [Condition.parse(_filled(text, chosen), default_exchange=exchange) for text in texts]
        except HubError as error:
            first_error = first_error or error
            unreadable.append((chosen, str(error)))
            continue
        made.append(Combination(chosen, conditions[0], conditions[1] if len(conditions) > 1 else None))
    if first_error is not None and not made:
        raise ConditionError(f"{_filled(template, unreadable[0][0])!r}: {first_error}")
    return Combinations(names, tuple(made), tuple(unreadable))


def names_in(template: str) -> list[str]:
    """The parameters of a template, in order. Raises :class:`common.errors.BacktestError` for braces that are no plain
    name."""
    return [name for _, name in _parts(template) if name is not None]


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise BacktestError(
            f"the template {template!r} cannot be read: {error}; write a parameter as {{name}}"
        ) from None
    for text, name, form, conversion in parts:
        if name is not None and (not name.isidentifier() or form or conversion):
            raise BacktestError(f"the template {template!r} has {{{name}}}; a parameter is a plain name, as {{period}}")
        yield text, name


def _filled(template: str, values: Mapping[str, Value]) -> str:
    return "".join(text + ("" if name is None else _shown(values[name])) for text, name in _parts(template))


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value!r}"
