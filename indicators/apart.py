"""A compiled function that calls :func:`stay_apart` is not copied into its callers.

The window reductions are called from every kernel, and all live kernels from one program: copied into each, they would
take minutes to compile.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic


def _stay_apart(_typing_context: Any) -> Any:
    """Mark the function that calls this."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), mark


stay_apart: Any = intrinsic(_stay_apart)
