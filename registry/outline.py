"""A tree for the eye: one comparison a line, indented under what holds it together."""

from collections.abc import Iterator

from registry.expression import All, Any, AtLeast, Every, For, Not, Series, Within
from registry.surface import SurfaceNode, children_of
from registry.text import to_text


def outline(node: SurfaceNode, base: Series) -> list[str]:
    """The lines of a tree of a condition of ``base``."""
    return list(_lines(node, base, 0))


def _lines(node: SurfaceNode, base: Series, level: int) -> Iterator[str]:
    match node:
        case All():
            head = "all"
        case Any():
            head = "any"
        case AtLeast(count):
            head = f"{count} of"
        case Not():
            head = "not"
        case For(_, bars):
            head = f"for {bars} bars"
        case Within(_, bars):
            head = f"within {bars} bars"
        case Every():
            head = "every"
        case _:
            head = to_text(node, base, short=True)
    yield "  " * level + head
    for child in children_of(node):
        yield from _lines(child, base, level + 1)
