"""What numba has no word for, for functions that are called very often.

A compiled function that calls :func:`stay_apart` is not copied into its callers. The window reductions are called from
every kernel, and all live kernels from one program: copied into each, they would take minutes to compile.

One that calls :func:`share_nothing` is not copied either, and promises that no array that it writes to overlaps another
that it is given. A loop over many arrays is vectorised only if that is known: asking at run time is too much.

An array that is :func:`borrowed` is held by somebody else for as long as it is used, and so are its parts, of which
:func:`matrix` is one. Otherwise every part that is taken of an array, and every call that it is given to, counts a
reference up and down, which no other processor may disturb.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_DATA = ".4"
"""How the names of the arguments end that point to an array's values: the fifth of what an array is passed as."""


def _stay_apart(_typing_context: Any) -> Any:
    """Mark the function that calls this."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), mark


stay_apart: Any = intrinsic(_stay_apart)


def _share_nothing(_typing_context: Any) -> Any:
    """Mark the function that calls this, and its arrays."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        for argument in builder.function.args:
            if argument.name.endswith(_DATA):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), mark


share_nothing: Any = intrinsic(_share_nothing)


def _borrowed(_typing_context: Any, array: Any) -> Any:
    """The same array, of which no references are counted."""

    def borrow(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.return_type)(context, builder, value=arguments[0])
        held.meminfo = held.meminfo.type(None)
        held.parent = held.parent.type(None)
        return held._getvalue()

    return array(array), borrow


borrowed: Any = intrinsic(_borrowed)


def _matrix(_typing_context: Any, array: Any, first: Any, rows: Any, columns: Any) -> Any:  # noqa: ARG001 - its call
    """float64[rows, columns]: the part of a contiguous array from ``first`` on; no references to it are counted."""
    result = types.Array(array.dtype, 2, "C")

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        held = context.make_array(array)(context, builder, value=arguments[0])
        part = context.make_array(result)(context, builder)
        row = builder.mul(arguments[3], held.itemsize)
        populate_array(  # type: ignore[no-untyped-call]
            part,
            data=builder.gep(held.data, [arguments[1]]),
            shape=(arguments[2], arguments[3]),
            strides=(row, held.itemsize),
            itemsize=held.itemsize,
            meminfo=None,
        )
        return part._getvalue()

    return result(array, types.int64, types.int64, types.int64), build


matrix: Any = intrinsic(_matrix)


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
