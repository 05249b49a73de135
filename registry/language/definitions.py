"""Which definitions of indicators a value depends on."""

from collections.abc import Iterable

from indicators.catalogue import catalogue
from registry.language.tree import IndicatorOutput, Variable


def definition_versions(read: Iterable[Variable]) -> str:
    """The indicators among ``read``, sorted, with the versions of their formulae: ``rsi=1,sma=1``."""
    names = {variable.indicator for variable in read if isinstance(variable, IndicatorOutput)}
    return ",".join(f"{name}={catalogue()[name].version}" for name in sorted(names))
