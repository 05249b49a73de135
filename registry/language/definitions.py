"""Which definitions of indicators a value depends on."""

from collections.abc import Iterable

from indicators.catalogue import catalogue
from registry.language.tree import IndicatorOutput, Variable


def definition_versions(read: Iterable[Variable]) -> str:
    """The indicators among ``read``, sorted, with the versions of their formulae: ``rsi=1,sma=1``."""
    names = {variable.indicator for variable in read if isinstance(variable, IndicatorOutput)}
    return ",".join(f"{name}={catalogue()[name].version}" for name in sorted(names))


def are_current(versions: str) -> bool:
    """Whether :func:`definition_versions` of these indicators is still the same."""
    known = catalogue()
    for each in versions.split(",") if versions else ():
        name, _, version = each.partition("=")
        if name not in known or str(known[name].version) != version:
            return False
    return True
