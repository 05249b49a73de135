"""The trees of a condition as bytes, which are read back a hundred times as fast as its text.

MessagePack: a number is itself, a variable is packed by itself, so that conditions that read the same indicator get the
same object, and everything else is an array that begins with its kind. Before that come the version of this form and a
checksum over it and the names of the condition: its id, its canonical text and its short one. The texts are what
counts: whoever has bytes that are not readable, or not of these texts, reads them.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any as Value
from typing import get_args
from zlib import crc32

import msgspec

from common.errors import HubError
from registry.groups import Series
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    Function,
    IndicatorOutput,
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Price,
    Variable,
    Within,
)

VERSION = 1
"""Of this form. Another one is not readable, and an upgrade of the store packs all conditions again."""

_HEADER = struct.Struct("<BI")
_REMEMBERED = 65_536
_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_CODES = {operator: code for code, operator in enumerate(_OPERATORS)}
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder().decode

(
    _COMPARISON, _DURING, _ALL, _ANY, _NOT, _AT_LEAST, _FOR, _WITHIN, _BEFORE, _EVERY, _CROSSES, _CHANNEL, _MOVE,
    _TREND, _THEN,
) = range(15)  # fmt: skip
_ARITHMETIC, _FUNCTION = range(2)
_LISTS: dict[type, int] = {All: _ALL, Any: _ANY}
_SINGLE: dict[type, int] = {Not: _NOT, Before: _BEFORE, Every: _EVERY}
_LASTING: dict[type, int] = {For: _FOR, Within: _WITHIN}


class Unreadable(Exception):
    """Bytes that are not the trees of these texts: the texts have to be read."""


def pack(names: Sequence[str], tree: Node, surface: SurfaceNode) -> bytes:
    """The canonical tree of a condition with these names, and the tree as it was written."""
    body = _ENCODE([_node(tree)] if surface is tree or surface == tree else [_node(tree), _node(surface)])
    return _HEADER.pack(VERSION, _checksum(names, body)) + body


def unpack(names: Sequence[str], packed: bytes) -> tuple[Node, SurfaceNode]:
    """What :func:`pack` packed; raises :class:`Unreadable`."""
    body = packed[_HEADER.size :]
    if packed[: _HEADER.size] != _HEADER.pack(VERSION, _checksum(names, body)):
        raise Unreadable
    try:
        tree, *surface = _DECODE(body)
        canonical = _read_node(tree)
        return canonical, _read_node(surface[0]) if surface else canonical
    except (msgspec.MsgspecError, HubError, ValueError, TypeError, LookupError) as error:
        raise Unreadable from error


def _checksum(names: Sequence[str], body: bytes) -> int:
    return crc32("".join(names).encode(), crc32(body))


def _node(node: SurfaceNode) -> Value:  # noqa: PLR0911 - one return for each kind of node
    match node:
        case Comparison():
            return [_COMPARISON, _CODES[node.operator], _operand(node.left), _operand(node.right)]
        case During():
            return [_DURING, node.start, node.end, node.days, node.zone]
        case All(children) | Any(children):
            return [_LISTS[type(node)], *map(_node, children)]
        case AtLeast(count, children):
            return [_AT_LEAST, count, *map(_node, children)]
        case Not(child) | Before(child) | Every(child):
            return [_SINGLE[type(node)], _node(child)]
        case For(child, bars) | Within(child, bars):
            return [_LASTING[type(node)], _node(child), bars]
        case Crosses(left, right):
            return [_CROSSES, _operand(left), _operand(right)]
        case Channel(operator, value, low, high):
            return [_CHANNEL, operator, _operand(value), _operand(low), _operand(high)]
        case PriceMove(operator, value, amount, percent, bars):
            return [_MOVE, operator, _operand(value), _operand(amount), percent, bars]
        case Trend(operator, value, bars):
            return [_TREND, operator, _operand(value), bars]
        case Then(first, second, bars):
            return [_THEN, _node(first), _node(second), bars]


def _operand(operand: Operand) -> Value:
    match operand:
        case Number():
            # As a text reads: in float64, and without the sign of zero.
            return float(operand.value) + 0.0
        case Price() | IndicatorOutput():
            return _variable(operand)
        case Arithmetic(operator, left, right):
            return [_ARITHMETIC, operator, _operand(left), _operand(right)]
        case Function(name, operands):
            return [_FUNCTION, name, *map(_operand, operands)]


@lru_cache(_REMEMBERED)
def _variable(variable: Variable) -> bytes:
    if isinstance(variable, Price):
        return _ENCODE([str(variable.series), variable.field, variable.offset])
    source = variable.source
    return _ENCODE(
        [
            str(variable.series),
            variable.indicator,
            variable.parameters,
            source if source is None or isinstance(source, str) else [_operand(source)],
            variable.output,
            variable.offset,
        ]
    )


def _read_node(packed: Value) -> Value:
    kind, *rest = packed
    return _READERS[kind](*rest)


def _read_operand(packed: Value) -> Operand:
    if isinstance(packed, bytes):
        return _read_variable(packed)
    if not isinstance(packed, list):
        return Number(packed)
    kind, name, *operands = packed
    if kind == _FUNCTION:
        return Function(name, tuple(map(_read_operand, operands)))
    return Arithmetic(name, *map(_read_operand, operands))


@lru_cache(_REMEMBERED)
def _read_variable(packed: bytes) -> Variable:
    series, name, *rest = _DECODE(packed)
    if len(rest) == 1:
        return Price(Series.parse(series), name, *rest)
    parameters, source, output, offset = rest
    return IndicatorOutput(
        Series.parse(series),
        name,
        tuple(map(tuple, parameters)),
        _read_operand(source[0]) if isinstance(source, list) else source,
        output,
        offset,
    )


def _read_comparison(operator: int, left: Value, right: Value) -> Comparison:
    return Comparison(_OPERATORS[operator], _read_operand(left), _read_operand(right))


def _read_list(kind: Callable[[tuple[Value, ...]], Value]) -> Callable[..., Value]:
    return lambda *children: kind(tuple(map(_read_node, children)))


_READERS: dict[int, Callable[..., Value]] = {
    _COMPARISON: _read_comparison,
    _DURING: lambda start, end, days, zone: During(start, end, tuple(days), zone),
    _ALL: _read_list(All),
    _ANY: _read_list(Any),
    _NOT: lambda child: Not(_read_node(child)),
    _AT_LEAST: lambda count, *children: AtLeast(count, tuple(map(_read_node, children))),
    _FOR: lambda child, bars: For(_read_node(child), bars),
    _WITHIN: lambda child, bars: Within(_read_node(child), bars),
    _BEFORE: lambda child: Before(_read_node(child)),
    _EVERY: lambda child: Every(_read_node(child)),
    _CROSSES: lambda left, right: Crosses(_read_operand(left), _read_operand(right)),
    _CHANNEL: lambda operator, *operands: Channel(operator, *map(_read_operand, operands)),
    _MOVE: lambda operator, value, amount, percent, bars: PriceMove(
        operator, _read_operand(value), _read_operand(amount), percent, bars
    ),
    _TREND: lambda operator, value, bars: Trend(operator, _read_operand(value), bars),
    _THEN: lambda first, second, bars: Then(_read_node(first), _read_node(second), bars),
}
