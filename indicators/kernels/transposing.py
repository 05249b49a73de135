"""Transposes blocks of eight by eight numbers, compiled: rows anywhere in memory into columns, and back.

Addresses are whole numbers. The eight rows of a block begin ``offset`` bytes after the eight addresses stored at
``rows``; its columns begin at ``columns``, ``apart`` bytes from each other.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_INT = ir.IntType(64)
_EIGHT = ir.VectorType(ir.DoubleType(), 8)
_PLACES = ir.VectorType(ir.IntType(32), 8)
_AHEAD = 512
_SIGNATURE = types.void(*[types.int64] * 4)


def _turned(builder: Any, lines: list[Any]) -> list[Any]:
    """The transposed block: its quarters trade places, then their quarters, then theirs."""
    for half in (4, 2, 1):
        upper = ir.Constant(_PLACES, [k if not k & half else (k ^ half) + 8 for k in range(8)])
        lower = ir.Constant(_PLACES, [k + half if not k & half else k + 8 for k in range(8)])
        turned = list(lines)
        for i in range(8):
            if not i & half:
                turned[i] = builder.shuffle_vector(lines[i], lines[i | half], upper)
                turned[i | half] = builder.shuffle_vector(lines[i], lines[i | half], lower)
        lines = turned
    return lines


def _row(builder: Any, rows: Any, offset: Any, k: int) -> Any:
    addresses = builder.inttoptr(rows, _INT.as_pointer())
    address = builder.load(builder.gep(addresses, [ir.Constant(_INT, k)]))
    return builder.inttoptr(builder.add(address, offset), _EIGHT.as_pointer())


def _fetch(builder: Any, row: Any, to_write: bool) -> None:
    """Prefetch a row ``_AHEAD`` bytes further on: the processor does not track this many rows by itself."""
    bytes_, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [bytes_, number, number, number])
    fetch = builder.module.declare_intrinsic("llvm.prefetch", [bytes_], kind)
    later = builder.gep(builder.bitcast(row, bytes_), [ir.Constant(_INT, _AHEAD)])
    builder.call(fetch, [later, ir.Constant(number, int(to_write)), ir.Constant(number, 3), ir.Constant(number, 1)])


def _column(builder: Any, columns: Any, apart: Any, k: int) -> Any:
    address = builder.add(columns, builder.mul(apart, ir.Constant(_INT, k)))
    return builder.inttoptr(address, _EIGHT.as_pointer())


def _columns_of_rows(_context: Any, rows: Any, offset: Any, columns: Any, apart: Any) -> Any:  # noqa: ARG001 - its call
    """Read eight rows, write eight columns."""

    def turn(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, offset, columns, apart = arguments
        places = [_row(builder, rows, offset, k) for k in range(8)]
        lines = [builder.load(place, align=8) for place in places]
        for place in places:
            _fetch(builder, place, to_write=False)
        for k, line in enumerate(_turned(builder, lines)):
            builder.store(line, _column(builder, columns, apart, k), align=8)
        return context.get_dummy_value()

    return _SIGNATURE, turn


def _writing(past_the_cache: bool) -> Any:
    def rows_of_columns(_context: Any, rows: Any, offset: Any, columns: Any, apart: Any) -> Any:  # noqa: ARG001 - its call
        """Read eight columns, write eight rows."""

        def turn(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            rows, offset, columns, apart = arguments
            lines = [builder.load(_column(builder, columns, apart, k), align=8) for k in range(8)]
            for k, line in enumerate(_turned(builder, lines)):
                place = _row(builder, rows, offset, k)
                store = builder.store(line, place, align=64 if past_the_cache else 8)
                if not past_the_cache:
                    _fetch(builder, place, to_write=True)
                else:
                    store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
            return context.get_dummy_value()

        return _SIGNATURE, turn

    return rows_of_columns


columns_of_rows: Any = intrinsic(_columns_of_rows)
rows_of_columns: Any = intrinsic(_writing(past_the_cache=False))
rows_of_columns_past_the_cache: Any = intrinsic(_writing(past_the_cache=True))
"""Like :data:`rows_of_columns`, for rows at multiples of 64 bytes that are not read again soon: they displace nothing
in the cache, and memory need not be read before whole lines of it are written."""
