"""What a compiled function says of itself to the compiler.

One that calls :func:`stay_apart` is not copied into its callers. The window reductions are called from every kernel,
and all live kernels from one program: copied into each, they would take minutes to compile.

One that calls :func:`share_nothing` is not copied either, and promises that no two arrays that it is given overlap, or
none that it writes to. A loop over many arrays is vectorised only if that is known: asking at run time is too much.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

_DATA = ".4"
"""How the names of the arguments end that point to an array's values: the fifth of what an array is passed as."""


def _stay_apart(_typing_context: Any) -> Any:
    """Mark the function that calls this."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), mark


def _share_nothing(_typing_context: Any) -> Any:
    """Mark the function that calls this, and its arrays."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        for argument in builder.function.args:
            if argument.name.endswith(_DATA):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), mark


stay_apart: Any = intrinsic(_stay_apart)
share_nothing: Any = intrinsic(_share_nothing)
