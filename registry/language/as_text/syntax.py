"""From text to lark's tree. Every error about a text is a :class:`ConditionError` with a caret.

    unknown indicator or price 'rsii' (did you mean rsi?); ...
      BTCUSDT 1h: rsii(14) < 30
                  ^

The text may come from anybody: its length, words and parentheses are bounded before it is parsed, which takes a
hundred times as long as counting them, and the depth of the tree and the number of comparisons before recursive code
sees it.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from unicodedata import combining, east_asian_width

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from common.errors import ConditionError, InstrumentError, TimeframeError
from registry.language import vocabulary
from registry.language.limits import LEVELS_OF_THEN, Limits, too_deep, too_many, too_many_operands
from registry.language.places import PLACE_PATTERN
from registry.symbols import is_letter

_COMPOSITES = ("all", "any", "negation", "every", "at_least", "lasting", "before", "order")
_NOT_PLAIN = re.compile(r"[^ -~\t\r\n\u2264\u2265]")
_TOO_LONG = re.compile(r"\w{65}|[<>=!\u2264\u2265]{65}", re.ASCII)
_TOKEN = re.compile(r"""@\s*"[^"]*"|\w+|[<>=!\u2264\u2265]+|&&|\|\||\S""", re.ASCII)
_FOREIGN = frozenset("\"$&';?\\^`{|}~#")
"""Printable characters that no condition contains outside quotes."""
_BLANKS = str.maketrans("\t\r\n", "   ")
_CARET_REACH = 60
_EXPECTED = {
    "NAME": "a name such as rsi or close",
    "DIGITS": "a number",
    "SYMBOL": "an operator such as < or crosses_below",
    "EQUAL": "'='",
    "COMMA": "','",
    "RPAR": "')'",
    "RSQB": "']'",
    "PLACE": "a timeframe or a symbol such as 4h or ETHUSDT",
    "WINDOW_PART": "a time range, weekdays or a time zone such as 08:00-16:00, mon-fri or America/New_York",
    "_AND": "'and'",
    "_OR": "'or'",
    "$END": "the end of the condition",
}


_THEN_BETWEEN = (
    "then stands between two comparisons or parentheses and does not chain; write (A then B within 5 bars) then C"
    " within 5 bars"
)


_NEEDS_PARENTHESES = {
    "before": "before needs parentheses: before(rsi < 30)",
    "every": "every needs parentheses: every(rsi < 30)",
    "during": "during needs parentheses: during(08:00-16:00, mon-fri)",
    "not": "not stands before a whole condition; put both into parentheses: (not rsi < 30)",
}


def clean(text: str, limits: Limits) -> str:
    """``text`` with every blank as a space. Refuses long texts, long words, and all but printable ASCII and letters."""
    if len(text) > limits.characters:
        raise ConditionError(
            f"the condition has {len(text)} characters; at most {limits.characters} are allowed", position=0
        )
    refused = next((other for other in _NOT_PLAIN.finditer(text) if not _is_letter(other)), None)
    if refused is not None:
        shown = f"U+{ord(refused[0]):04X}"
        message = (
            f"character {shown} is not allowed; a condition is written in printable ASCII, symbols also in letters"
        )
        # The character itself could harm a terminal.
        harmless = _NOT_PLAIN.sub(lambda other: other[0] if _is_letter(other) else "?", text.translate(_BLANKS))
        raise complaint(message, harmless, refused.start())
    text = text.translate(_BLANKS)
    too_long = _TOO_LONG.search(text)
    if too_long is not None:
        raise complaint("a word or number has more than 64 characters", text, too_long.start())
    return text


def syntax_tree(text: str, start: int, limits: Limits, *, operand: bool = False) -> Tree[Token]:
    """The tree of the expression, or of the operand, that begins at ``start``, within ``limits``."""
    _check_tokens(text, start, limits)
    # With blanks in place of the header, lark's positions are those in the whole text.
    expression = " " * start + text[start:]
    try:
        tree = _lark().parse(expression, start="sum" if operand else "either")
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    _check_size(tree, text, limits)
    return tree


def first_position(tree: Tree[Token]) -> int:
    """The position of the first word of ``tree``."""
    first: Tree[Token] | Token = tree
    # Not lark's own search, which recurses: the tree may still be too deep.
    while isinstance(first, Tree):
        first = first.children[0]
    return position(first)


def words(tree: Tree[Token]) -> str:
    """The words of ``tree``, without what is between them."""
    return "".join(str(token) for token in tree.scan_values(lambda _: True))


def position(token: Token) -> int:
    """The position of ``token``."""
    return token.start_pos or 0


@contextmanager
def located(text: str, at: int) -> Iterator[None]:
    """Turns errors without a position into errors about the word at ``at``."""
    try:
        yield
    except (ConditionError, InstrumentError, TimeframeError) as error:
        if isinstance(error, ConditionError) and error.position is not None:
            raise
        raise complaint(str(error), text, at) from error


def complaint(message: str, text: str, at: int) -> ConditionError:
    """The error about the word at ``at``, with a caret; of a long text, only the surroundings are shown."""
    first = max(0, at - _CARET_REACH)
    before = "..." if first > 0 else ""
    after = "..." if len(text) > at + _CARET_REACH else ""
    excerpt = before + text[first : at + _CARET_REACH].rstrip() + after
    caret = " " * (len(before) + sum(map(_columns, text[first:at]))) + "^"
    return ConditionError(f"{message}\n  {excerpt}\n  {caret}", position=at)


def _is_letter(match: re.Match[str]) -> bool:
    return not match[0].isascii() and is_letter(match[0])


def _columns(character: str) -> int:
    """How many columns a terminal takes for a character."""
    return 0 if combining(character) else 2 if east_asian_width(character) in "FW" else 1


@cache
def _lark() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # A longer spelling has priority over its beginning: "rising by" over "rising".
    words_of = {
        "PHRASE.2": [spelling for spelling in vocabulary.COMPARISONS if "_" in spelling],
        "TREND.3": vocabulary.TRENDS,
        "CHANNEL.3": vocabulary.CHANNELS,
        "MOVE.4": vocabulary.MOVES,
    }
    terminals = [f"{name}: /{_any_of(spellings)}/i" for name, spellings in words_of.items()]
    terminals.append(f"PLACE: /{PLACE_PATTERN}/i")
    return Lark("\n".join([grammar, *terminals]), parser="lalr", lexer="contextual", start=["either", "sum"])


def _any_of(spellings: Iterable[str]) -> str:
    patterns = [re.escape(spelling).replace("_", r"[\s_]+") for spelling in sorted(spellings, key=len, reverse=True)]
    return rf"({'|'.join(patterns)})(?!\w)"


def _check_tokens(text: str, start: int, limits: Limits) -> None:
    """Refuses in one pass what cannot be a condition, or would take long to parse."""
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text, start), 1):
        character = token[0][0]
        if count > limits.tokens:
            message = f"too many words, numbers and signs; at most {limits.tokens} are allowed in one condition"
            raise complaint(message, text, token.start())
        # Where no blank stands before it, it may belong to a symbol such as M&M.
        in_symbol = character == "&" and text[token.start() - 1] != " "
        if token[0] in _FOREIGN and not in_symbol:
            where = "outside a name in quotes" if character != '"' else "except around a name at its start or behind @"
            raise complaint(f"unexpected {character!r}; no condition contains it {where}", text, token.start())
        depth += (character == "(") - (character == ")")
        if depth > limits.parentheses:
            message = f"parentheses are nested too deeply; at most {limits.parentheses} levels are allowed"
            raise complaint(message, text, token.start())


def _check_size(tree: Tree[Token], text: str, limits: Limits) -> None:
    leaves = 0
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > limits.levels:
            raise complaint(too_deep(limits), text, first_position(node))
        if node.data in _COMPOSITES:
            below = [child for child in node.children if isinstance(child, Tree)]
            levels = [LEVELS_OF_THEN if node.data == "order" and child is below[0] else 1 for child in below]
            waiting += reversed([(child, depth + more) for child, more in zip(below, levels, strict=True)])
            continue
        if node.data in ("for", "within"):
            continue
        leaves += 1
        if leaves > limits.leaves:
            raise complaint(too_many(limits), text, first_position(node))
        if sum(1 for _ in _operands(node)) > limits.operands:
            raise complaint(too_many_operands(limits), text, first_position(node))


def _operands(leaf: Tree[Token]) -> Iterator[Tree[Token]]:
    waiting = [leaf]
    while waiting:
        part = waiting.pop()
        if part.data in ("reference", "number"):
            yield part
        if part.data == "arguments":
            # Numbers are parameters, and a price alone is a column.
            waiting += [value for value in map(_value_of, part.children) if not _is_plain(value)]
        else:
            waiting += [child for child in part.children if isinstance(child, Tree)]


def _value_of(argument: Tree[Token] | Token) -> Tree[Token]:
    """The value of an argument of an indicator, which may be named."""
    value = argument.children[-1] if isinstance(argument, Tree) else None
    assert isinstance(value, Tree)
    return value


def _is_plain(value: Tree[Token]) -> bool:
    if value.data == "reference" and len(value.children) == 1:
        return vocabulary.find_price(str(value.children[0])) is not None
    return value.data == "number"


def _unexpected(error: UnexpectedInput, text: str) -> ConditionError:
    """A syntax error in words for people who do not know the grammar."""
    parser = error.interactive_parser
    unknown = _unknown_word(parser.parser_state.value_stack, text)
    if unknown is not None:
        return unknown
    token = error.token if isinstance(error, UnexpectedToken) else None
    at = position(token) if token is not None else error.pos_in_stream or 0
    shown = " ".join(str(token).split()) if token is not None else text[at]
    problem = f"unexpected {shown!r}"
    if token is not None and token.type == "$END":
        at, problem = len(text.rstrip()), "the condition ends too early"
    if shown == "%":
        share = "only rises_by and falls_by take a percentage; write a share of something, such as 0.05 * close"
        return complaint(f"{problem}: {share}", text, at)
    allowed: set[str] = parser.accepts()  # type: ignore[no-untyped-call]  # lark does not annotate it
    if "_AND" in allowed and vocabulary.fold(shown) in vocabulary.COMPARISONS:
        return complaint(f"{problem}: comparisons cannot be chained; write a < b and b < c", text, at)
    if token is not None and token.type == "_THEN":
        return complaint(f"{problem}: {_THEN_BETWEEN}", text, at)
    if "SYMBOL" in allowed:
        allowed.discard("NAME")
    if "PLUS" in allowed:
        # Where an operand goes on, names with values are read only to be refused.
        allowed.discard("EQUAL")
    expected = [words for terminal, words in _EXPECTED.items() if terminal in allowed]
    if allowed == {"NAME"}:
        expected = ["the name of an output"]
    elif allowed == {"_WITHIN"}:
        expected = ["'within'; write A then B within 5 bars"]
    elif allowed == {"LPAR"}:
        expected = ["'('"]
    elif not allowed:
        expected = [_EXPECTED["$END"]]
    return complaint(f"{problem}; expected {', '.join(expected)}", text, at)


def _unknown_word(read: list[Tree[Token] | Token], text: str) -> ConditionError | None:
    """The error about an unknown operator or function before a syntax error, which it has probably caused."""
    for item, following in pairwise([*read, None]):
        for name in _names(item):
            if name.lower() in _NEEDS_PARENTHESES:
                return complaint(_NEEDS_PARENTHESES[name.lower()], text, position(name))
        try:
            if isinstance(item, Tree):
                for operator in item.find_data("operator"):
                    with located(text, first_position(operator)):
                        vocabulary.find_comparison(words(operator))
                if isinstance(following, Token) and following.type == "NAME":
                    with located(text, position(following)):
                        vocabulary.find_comparison(str(following))
            elif item is not None and item.type == "NAME" and isinstance(following, Token) and following == "(":
                with located(text, position(item)):
                    if vocabulary.find_price(item) is None:
                        vocabulary.find_indicator(str(item))
        except ConditionError as error:
            return error
    return None


def _names(item: Tree[Token] | Token | None) -> Iterator[Token]:
    """The names that were read as those of prices or indicators."""
    if isinstance(item, Tree):
        for reference in item.find_data("reference"):
            name = reference.children[0]
            assert isinstance(name, Token)
            yield name
    elif item is not None and item.type == "NAME":
        yield item
