"""The same condition on the candles of another instrument."""

from collections.abc import Iterable, Iterator

from registry.conditions import Condition, identity
from registry.groups import Series
from registry.instruments import Instrument


def on_instrument(condition: Condition, instrument: Instrument) -> Condition:
    """The condition that has ``instrument`` for its own; other instruments that it reads stay."""
    if condition.series.instrument == instrument:
        return condition
    series = Series(instrument, condition.timeframe)
    return Condition.restored(f"{series}: {what_is_judged(condition.text, condition.series)}")


def names_on(conditions: Iterable[Condition], instrument: Instrument) -> Iterator[tuple[str, str]]:
    """Id and short text of each condition on another instrument, without reading it again.

    The conditions must read no other instrument than their own: their texts then name it only where they begin.
    """
    begins: dict[str, str] = {}
    for condition in conditions:
        begin = begins.get(condition.timeframe)
        if begin is None:
            begin = begins[condition.timeframe] = f"{Series(instrument, condition.timeframe)}: "
        canonical = begin + what_is_judged(condition.canonical, condition.series)
        yield (
            identity(condition.definition_versions, canonical),
            begin + what_is_judged(condition.text, condition.series),
        )


def what_is_judged(text: str, series: Series) -> str:
    """A condition's text without the series that it begins with."""
    return text.removeprefix(f"{series}: ")
