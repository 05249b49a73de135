"""Pieces of HTML for notebooks: nothing is loaded from anywhere, and what is drawn takes the colour of the text around
it, so that it reads on light and on dark pages. Texts are escaped here and nowhere else."""

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;border:0"
_WIDTH, _HEIGHT, _AXIS = 640, 44, 30


def block(title: str, *parts: str) -> str:
    """Parts of HTML below a title."""
    return f'<div style="line-height:1.5"><div><strong>{escape(title)}</strong></div>{"".join(parts)}</div>'


def line(text: str) -> str:
    """A line of text."""
    return f"<div>{escape(text)}</div>"


def code(lines: Iterable[str]) -> str:
    """Lines in letters of equal width, their blanks kept."""
    return f'<pre style="margin:4px 0;background:none;color:inherit">{escape(chr(10).join(lines))}</pre>'


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """A table of texts."""
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f'<table style="border:0;background:none">{f"<tr>{head}</tr>" if head else ""}{body}</table>'


def strip(first: float, last: float, marks: Iterable[tuple[float, str]], labels: tuple[str, str]) -> str:
    """An SVG of a span with a mark at each of some places, each with a text that shows when it is pointed at.

    ``labels`` stand at the ends. What is outside the span is left out.
    """
    width = max(last - first, 1e-300)
    drawn = "".join(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{_AXIS - 3}" stroke="currentColor" stroke-width="1.5">'
        f"<title>{escape(text)}</title></line>"
        for x, text in (((place - first) / width * _WIDTH, text) for place, text in marks if first <= place <= last)
    )
    text = f'y="{_HEIGHT - 2}" font-size="11" font-family="sans-serif" fill="currentColor"'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img"'
        ' style="max-width:100%;color:inherit" xmlns="http://www.w3.org/2000/svg">'
        f'<line x1="0" x2="{_WIDTH}" y1="{_AXIS}" y2="{_AXIS}" stroke="currentColor" stroke-opacity="0.4"/>{drawn}'
        f'<text x="0" {text}>{escape(labels[0])}</text>'
        f'<text x="{_WIDTH}" text-anchor="end" {text}>{escape(labels[1])}</text></svg>'
    )
