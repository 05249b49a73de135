"""Asks the processor's cache for memory that compiled code will need in a moment."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _prefetch(_typing_context: Any, array: Any, place: Any) -> Any:
    """Ask for an element of an array; any place may be asked for, nothing is read."""

    def ask(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        held = context.make_array(array)(context, builder, value=arguments[0])
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        at = builder.bitcast(builder.gep(held.data, [arguments[1]]), byte)
        # To be read, kept in all caches, data.
        builder.call(function, [at, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, place), ask


prefetch: Any = intrinsic(_prefetch)
