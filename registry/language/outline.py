"""A tree for reading: one comparison per line, indented below the node that combines them."""

from collections.abc import Iterator

from registry.groups import Series
from registry.language.as_text.text import to_text
from registry.language.surface import SurfaceNode, Then, children_of
from registry.language.tree import All, Any, AtLeast, Before, Every, For, Not, Within


def outline(node: SurfaceNode, base: Series) -> list[str]:
    """The lines of a tree of a condition of ``base``."""
    return list(_lines(node, base, 0))


def head(node: SurfaceNode, base: Series) -> str:  # noqa: PLR0911 - one return for each kind of node
    """The line of a node: how it combines its children, or a whole comparison."""
    match node:
        case All():
            return "all"
        case Any():
            return "any"
        case AtLeast(count):
            return f"{count} of"
        case Not():
            return "not"
        case For(_, bars):
            return f"for {bars} bars"
        case Within(_, bars):
            return f"within {bars} bars"
        case Before():
            return "one candle before"
        case Then(_, _, bars):
            return f"then, within {bars} bars"
        case Every():
            return "every"
        case _:
            return to_text(node, base, short=True)


def _lines(node: SurfaceNode, base: Series, level: int) -> Iterator[str]:
    yield "  " * level + head(node, base)
    for child in children_of(node):
        yield from _lines(child, base, level + 1)
