"""Intrinsics that numba lacks, for functions that are called very often.

A compiled function that calls :func:`stay_apart` is never inlined. The window reductions are called from every kernel,
and all live kernels from one program: inlined everywhere, they would take minutes to compile.

One that calls :func:`share_nothing` is not inlined either, and promises that no array it writes to overlaps another of
its arguments. A loop over many arrays is vectorised only if this is known; checking at run time costs too much.

An array that is :func:`borrowed`, with all parts taken of it, such as a :func:`matrix`, is kept alive by somebody else
for as long as it is used. Otherwise every part taken of an array, and every call it is passed to, increments and
decrements a reference count, atomically across processors.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_DATA = ".4"
"""Suffix of the arguments that point to an array's values: the fifth of those that an array is passed as."""


def _stay_apart(_typing_context: Any) -> Any:
    """Marks the calling function."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), mark


stay_apart: Any = intrinsic(_stay_apart)


def _share_nothing(_typing_context: Any) -> Any:
    """Marks the calling function and its array arguments."""

    def mark(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        for argument in builder.function.args:
            if argument.name.endswith(_DATA):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), mark


share_nothing: Any = intrinsic(_share_nothing)


def _borrowed(_typing_context: Any, array: Any) -> Any:
    """The same array, without reference counting."""

    def borrow(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.return_type)(context, builder, value=arguments[0])
        view.meminfo = view.meminfo.type(None)
        view.parent = view.parent.type(None)
        return view._getvalue()

    return array(array), borrow


borrowed: Any = intrinsic(_borrowed)


def _matrix(_typing_context: Any, array: Any, first: Any, rows: Any, columns: Any) -> Any:  # noqa: ARG001 - its call
    """float64[rows, columns]: the part of a contiguous array from ``first`` on, without reference counting."""
    result = types.Array(array.dtype, 2, "C")

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        whole = context.make_array(array)(context, builder, value=arguments[0])
        part = context.make_array(result)(context, builder)
        row = builder.mul(arguments[3], whole.itemsize)
        populate_array(  # type: ignore[no-untyped-call]
            part,
            data=builder.gep(whole.data, [arguments[1]]),
            shape=(arguments[2], arguments[3]),
            strides=(row, whole.itemsize),
            itemsize=whole.itemsize,
            meminfo=None,
        )
        return part._getvalue()

    return result(array, types.int64, types.int64, types.int64), build


matrix: Any = intrinsic(_matrix)


def _prefetch(_typing_context: Any, array: Any, place: Any) -> Any:
    """Prefetches an element of an array. Nothing is read, so any index is allowed."""

    def ask(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        whole = context.make_array(array)(context, builder, value=arguments[0])
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        at = builder.bitcast(builder.gep(whole.data, [arguments[1]]), byte)
        # For reading, kept in all caches, data rather than instructions.
        builder.call(function, [at, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, place), ask


prefetch: Any = intrinsic(_prefetch)
