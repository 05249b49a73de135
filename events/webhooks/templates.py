"""Templates: what is posted in place of the standard body, written by users.

    {"pair": "{{ pair }}", "price": "{{ event.price }}", "text": "{{ condition }} at {{ event.close_time | iso }}"}

A template is a JSON value, or a text. Its texts have placeholders: a name of :data:`NAMES`, or a secret of the webhook
as ``secret.NAME``, and filters of :data:`FILTERS`. There is nothing else: no loops, no conditions, no attributes, no
calls. Placeholders are replaced inside the parsed JSON, and what follows is encoded as JSON again, so it is valid
whatever the values are. A text that is one placeholder keeps the value's type: a number stays a number.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from common.errors import TemplateError
from common.timeframes import iso_time
from events.log.payload import Event

Template = object
"""A JSON value, or a text."""
TemplateValues = Mapping[str, object]
"""What placeholders stand for; ``event.values`` is a mapping."""

NAMES = (
    "delivery_id", "occasion", "bot_id", "condition", "pair", *(f"event.{name}" for name in Event.__struct_fields__)
)  # fmt: skip
"""What a template can name. ``condition`` is the condition's text, ``pair`` the instrument as ccxt names it; the
rest is as in the standard body. ``event.values.OPERAND`` is one of the event's values."""

MASKED = "***"
"""What a preview shows in place of a secret."""

LARGEST = 8_192
"""The most characters of a template, as JSON."""
_DEEPEST = 20
_MOST_PLACEHOLDERS = 100

_VALUES = "event.values."
_SECRET = "secret."
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_FILTER = re.compile(r"([a-z0-9]+)(?:\(\s*([0-9]{1,2})\s*\))?")
_SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Neither "?" nor "#": a secret is a part of the path, or of one parameter.
_KEPT_IN_URL = "/:@-._~!$'()*,;="
_MOST_DECIMALS = 20


def check(template: Template, secrets: Collection[str], pointer: str) -> None:
    """Raises :class:`TemplateError` for a template that cannot be used; ``pointer`` is its place in the request."""
    size = len(json.dumps(template, ensure_ascii=False))
    if size > LARGEST:
        raise TemplateError(f"{pointer} has {size:,} characters; a template may have {LARGEST:,}")
    placeholders = [_read(text, pointer) for text in _texts(template, pointer, 1)]
    every = [one for pieces in placeholders for one in pieces if isinstance(one, _Placeholder)]
    if len(every) > _MOST_PLACEHOLDERS:
        raise TemplateError(f"{pointer} has {len(every)} placeholders; a template may have {_MOST_PLACEHOLDERS}")
    for one in every:
        _check_name(one.name, secrets, pointer)


def check_secrets_only(text: str, secrets: Collection[str], pointer: str) -> None:
    """Like :func:`check`, for a text whose placeholders may name secrets and nothing else: an address, a header."""
    check(text, secrets, pointer)
    for piece in _read(text, pointer):
        if isinstance(piece, _Placeholder) and not piece.name.startswith(_SECRET):
            raise TemplateError(
                f"{pointer} names {piece.name}; addresses and headers are the same for all events, and may name secrets"
                " only: {{ secret.token }}"
            )


def secrets_in(template: Template) -> set[str]:
    """The names of the secrets that a template, which has been checked, uses."""
    pieces = [piece for text in _texts(template, "", 1) for piece in _read(text, "")]
    named = (piece.name for piece in pieces if isinstance(piece, _Placeholder))
    return {name.removeprefix(_SECRET) for name in named if name.startswith(_SECRET)}


def check_secret_name(name: str) -> None:
    """Raises :class:`TemplateError` for a name that no secret may have."""
    if not _SECRET_NAME.fullmatch(name):
        raise TemplateError(
            f"a secret cannot be called {name[:40]!r}; write up to 32 small letters, digits and _, a letter first"
        )


def fill(template: Template, values: TemplateValues, *, masked: bool = False) -> Template:
    """A template with its placeholders replaced; ``masked`` shows secrets as :data:`MASKED`."""
    if isinstance(template, str):
        return _fill_text(template, values, masked)
    if isinstance(template, list):
        return [fill(part, values, masked=masked) for part in template]
    if isinstance(template, dict):
        return {key: fill(part, values, masked=masked) for key, part in template.items()}
    return template


def fill_text(text: str, values: TemplateValues, *, masked: bool = False) -> str:
    """A text with its placeholders replaced, as text in any case."""
    return _as_text(_fill_text(text, values, masked))


def fill_url(text: str, secrets: Mapping[str, str], *, masked: bool = False) -> str:
    """An address with its secrets, which cannot leave the part of the address where they stand."""
    quoted = {f"{_SECRET}{name}": quote(value, safe=_KEPT_IN_URL) for name, value in secrets.items()}
    return fill_text(text, quoted, masked=masked)


def with_secrets(values: TemplateValues, secrets: Mapping[str, str]) -> TemplateValues:
    """TemplateValues with the secrets of a webhook among them."""
    return {**values, **{f"{_SECRET}{name}": value for name, value in secrets.items()}}


@dataclass(frozen=True)
class _Placeholder:
    name: str
    filters: tuple[tuple[str, int | None], ...]


def _texts(template: Template, pointer: str, depth: int) -> list[str]:
    """All texts in which placeholders are replaced. Keys are as they are."""
    if depth > _DEEPEST:
        raise TemplateError(f"{pointer} is nested more than {_DEEPEST} deep")
    if isinstance(template, str):
        return [template]
    parts = template.values() if isinstance(template, dict) else template if isinstance(template, list) else ()
    return [text for part in parts for text in _texts(part, pointer, depth + 1)]


def _read(text: str, pointer: str) -> list[str | _Placeholder]:
    pieces: list[str | _Placeholder] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        pieces += [text[end : match.start()], _read_placeholder(match[1], pointer)]
        end = match.end()
    pieces.append(text[end:])
    for piece in pieces:
        if isinstance(piece, str) and ("{{" in piece or "{%" in piece):
            raise TemplateError(
                f"{pointer} has a placeholder that does not end, or something else than a placeholder; write"
                " {{ event.price }} or {{ event.price | round(2) }}: a template has no loops, conditions or calls"
            )
    return [piece for piece in pieces if piece != ""]


def _read_placeholder(text: str, pointer: str) -> _Placeholder:
    name, *filters = (part.strip() for part in text.split("|"))
    read = []
    for one in filters:
        match = _FILTER.fullmatch(one)
        if match is None or match[1] not in FILTERS:
            raise TemplateError(f"{pointer} has a filter {one[:40]!r}; there are {' '.join(FILTERS)}, and round(2)")
        if match[2] is not None and match[1] != "round":
            raise TemplateError(f"{pointer} has a filter {one!r}; only round takes a number")
        read.append((match[1], None if match[2] is None else min(int(match[2]), _MOST_DECIMALS)))
    return _Placeholder(name, tuple(read))


def _check_name(name: str, secrets: Collection[str], pointer: str) -> None:
    if name in NAMES or (name.startswith(_VALUES) and len(name) > len(_VALUES)):
        return
    if name.startswith(_SECRET):
        secret = name.removeprefix(_SECRET)
        if secret in secrets:
            return
        raise TemplateError(f"{pointer} names {name[:50]}, and secrets has no {secret[:40]!r}; add it to secrets")
    raise TemplateError(
        f"{pointer} names {name[:50]!r}; a template can name {' '.join(NAMES)}, event.values.OPERAND such as"
        " event.values.rsi(14), and secret.NAME"
    )


def _fill_text(text: str, values: TemplateValues, masked: bool) -> object:
    pieces = _read(text, "the template")
    if len(pieces) == 1 and isinstance(pieces[0], _Placeholder):
        return _value(pieces[0], values, masked)
    return "".join(piece if isinstance(piece, str) else _as_text(_value(piece, values, masked)) for piece in pieces)


def _value(placeholder: _Placeholder, values: TemplateValues, masked: bool) -> object:
    name = placeholder.name
    if masked and name.startswith(_SECRET):
        return MASKED
    if name.startswith(_VALUES):
        own = values.get("event.values")
        value = own.get(name.removeprefix(_VALUES)) if isinstance(own, Mapping) else None
    else:
        value = values.get(name)
    for filter_name, number in placeholder.filters:
        value = _rounded(value, number or 0) if filter_name == "round" else FILTERS[filter_name](value)
    return value


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # Without an exponent, which many a receiver cannot read.
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_as_text(one) or 'unknown'}" for name, one in value.items())
    return str(value)


def _rounded(value: object, decimals: int) -> object:
    return round(value, decimals) if _is_number(value) else value  # type: ignore[call-overload]


def _iso(value: object) -> object:
    return iso_time(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _seconds(value: object) -> object:
    return value // 1000 if isinstance(value, int) and not isinstance(value, bool) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FILTERS: Mapping[str, Callable[[object], object]] = {
    "text": _as_text,
    "iso": _iso,
    "seconds": _seconds,
    "round": lambda value: _rounded(value, 0),
    "upper": lambda value: _as_text(value).upper(),
    "lower": lambda value: _as_text(value).lower(),
    "html": lambda value: html.escape(_as_text(value), quote=False),
    "base64": lambda value: base64.b64encode(_as_text(value).encode()).decode(),
}
"""Name -> what it makes of a value: ``text`` of a number, ``iso`` of a time (2024-08-05T01:15:00Z), ``seconds`` of a
time, a number with fewer decimals (``round(2)``), letters, ``&lt;`` of ``<`` (``html``), and ``base64``."""
