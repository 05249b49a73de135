"""What a webhook is posted: the standard body, or what its own template makes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from common.errors import TemplateError
from events.log.payload import Event
from events.webhooks import templates
from events.webhooks.presets import body_text, preset_called
from events.webhooks.templates import Template, TemplateValues
from registry.directory import Directory
from registry.instruments import Instrument, Listing
from registry.store.parts.delivery import Webhook
from registry.store.protocol import Store
from registry.symbols import likely_pair

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_LARGEST = 256 * 1024
_MOST_HEADERS = 8
_LONGEST_HEADER = 2_000
_MOST_SECRETS = 8
_HEADER_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "user-agent", "expect", "upgrade",
     "te", "trailer", "keep-alive", "proxy-connection"}
)  # fmt: skip
_OUR_PREFIX = "webhook-"

_EXAMPLE = Event(
    trigger_id="8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00:1722852000000",
    seq=4711,
    condition_id="8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00",
    exchange="BINANCE",
    symbol="BTCUSDT",
    timeframe="1h",
    open_time=1_722_848_400_000,
    close_time=1_722_852_000_000,
    values={"rsi(14)": 28.4, "close": 49_770.1},
    price=49_770.1,
    settled=True,
    late=False,
    definition_version="rsi=1",
    emitted_at=1_722_852_000_150,
)
EXAMPLE_CONDITION = "BTCUSDT 1h: rsi(14) crosses_below 30"
"""The condition of the event that previews show."""


@dataclass(frozen=True)
class OwnPost:
    """What a webhook posts in place of the standard body. Raises :class:`TemplateError` for what cannot be posted."""

    url: str
    body: Template
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.secrets) > _MOST_SECRETS:
            raise TemplateError(f"secrets has {len(self.secrets)} entries; a webhook may have {_MOST_SECRETS}")
        for name, value in self.secrets.items():
            templates.check_secret_name(name)
            if not 0 < len(value) <= _LONGEST_HEADER or not value.isascii() or not value.isprintable():
                raise TemplateError(f"secrets/{name} must have 1 to {_LONGEST_HEADER} printable ASCII characters")
        templates.check_secrets_only(self.url, self.secrets, "url")
        templates.check(self.body, self.secrets, "body")
        self._check_headers()
        used = set().union(*map(templates.secrets_in, (self.url, self.body, *self.headers.values())))
        if unused := sorted(set(self.secrets) - used):
            raise TemplateError(f"secrets/{unused[0]} is not used; write {{{{ secret.{unused[0]} }}}} where it belongs")

    def _check_headers(self) -> None:
        if len(self.headers) > _MOST_HEADERS:
            raise TemplateError(f"headers has {len(self.headers)} entries; a webhook may have {_MOST_HEADERS}")
        for name, value in self.headers.items():
            small = name.lower()
            if not 0 < len(name) <= 64 or not set(small) <= _HEADER_LETTERS:
                raise TemplateError(f"headers has a name {name[:40]!r}; write letters, digits and hyphens")
            if small in _OUR_HEADERS or small.startswith(_OUR_PREFIX):
                raise TemplateError(f"headers has {name}, which the hub sets itself; leave it out")
            templates.check_secrets_only(value, self.secrets, f"headers/{name}")
            if not value.isascii() or not value.isprintable() or len(value) > _LONGEST_HEADER:
                raise TemplateError(f"headers/{name} must have up to {_LONGEST_HEADER} printable ASCII characters")


@dataclass(frozen=True)
class FilledPost:
    """A post as it is sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    media_type: str
    body: bytes = field(repr=False)


def own_post(
    url: str | None,
    preset: str | None,
    options: Mapping[str, str],
    secrets: Mapping[str, str],
    headers: Mapping[str, str],
    body: Template | None,
) -> OwnPost | None:
    """What is asked for, from a preset or from parts; ``None`` for the standard body.

    Raises :class:`TemplateError`.
    """
    if preset is not None:
        if url is not None or headers or body is not None:
            raise TemplateError(
                "a preset has its own url, headers and body; leave them out, write the url of your receiver as an"
                " option, or leave out the preset"
            )
        chosen = preset_called(preset)
        chosen.check_secrets(secrets)
        made_url, made_headers, made_body = chosen.filled(options)
        return OwnPost(made_url, made_body, made_headers, secrets)
    if options:
        raise TemplateError("options belong to a preset; name one, or write body, headers and secrets")
    if url is None:
        raise TemplateError("url is missing; write the address to post to, or name a preset")
    if body is None:
        if secrets or headers:
            raise TemplateError(
                "secrets and headers belong to a body of your own; write body, or leave them out: the standard body is"
                " signed"
            )
        return None
    return OwnPost(url, body, headers, secrets)


def post_of(webhook: Webhook) -> OwnPost | None:
    """What a stored webhook posts in place of the standard body."""
    if webhook.template is None:
        return None
    return OwnPost(webhook.url, json.loads(webhook.template), webhook.headers, webhook.secrets)


def fields_of(own: OwnPost | None) -> dict[str, Any]:
    """The fields of a :class:`Webhook` that say what it posts."""
    if own is None:
        return {"headers": {}, "secrets": {}, "template": None}
    return {"headers": dict(own.headers), "secrets": dict(own.secrets), "template": body_text(own.body)}


def filled(own: OwnPost, values: TemplateValues, *, masked: bool = False) -> FilledPost:
    """A post about one delivery; ``masked`` shows no secrets. Raises :class:`TemplateError` for one too large."""
    every = templates.with_secrets(values, own.secrets)
    body = templates.fill(own.body, every, masked=masked)
    if isinstance(own.body, str):
        media_type, text = TEXT, templates.fill_text(own.body, every, masked=masked)
    else:
        media_type, text = JSON, json.dumps(body, ensure_ascii=False, allow_nan=False)
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > _LARGEST:
        raise TemplateError(f"what the template makes has {len(encoded):,} bytes; a post may have {_LARGEST:,}")
    headers = {name: templates.fill_text(value, every, masked=masked) for name, value in own.headers.items()}
    return FilledPost(templates.fill_url(own.url, own.secrets, masked=masked), headers, media_type, encoded)


def values_of(standard_body: bytes, store: Store) -> TemplateValues:
    """What templates can name, from the standard body of a delivery."""
    body: dict[str, Any] = msgspec.json.decode(standard_body)
    event = body["event"]
    stored = store.registry.condition(event["condition_id"])
    pair = pair_of(Instrument(event["exchange"], event["symbol"]), store.candles.directory())
    return _values(body, event, None if stored is None else stored.text, pair)


def example_values(bot_id: str | None) -> TemplateValues:
    """What templates can name, of an event that is made up."""
    body: dict[str, Any] = msgspec.json.decode(example_body(bot_id))
    return _values(body, body["event"], EXAMPLE_CONDITION, "BTC/USDT")


def example_body(bot_id: str | None) -> bytes:
    """The standard body of that event, as JSON."""
    bot = bot_id or "dca_bot_123"
    return standard_body(f"{_EXAMPLE.trigger_id}:you:{bot}", "trigger", bot, _EXAMPLE)


def standard_body(delivery_id: str, occasion: str, bot_id: str, event: Event) -> bytes:
    """What is posted without a template, as JSON."""
    return msgspec.json.encode({"delivery_id": delivery_id, "occasion": occasion, "bot_id": bot_id, "event": event})


def pair_of(instrument: Instrument, directory: Directory) -> str | None:
    """An instrument as freqtrade and ccxt name it: ``BTC/USDT``, ``BTC/USDT:USDT``, ``BTC/USDT:USDT-250328``.

    ``None`` for one that is no pair, such as a stock.
    """
    listing = directory.by_instrument.get(instrument, Listing(instrument))
    spelling = listing.spelling
    pair = listing.pair or (None if spelling is None or spelling.share else likely_pair(spelling.letters))
    if pair is None:
        return None
    base, quote = pair
    if instrument.kind == "spot":
        return f"{base}/{quote}"
    expiry = f"-{instrument.expiry:%y%m%d}" if instrument.expiry else ""
    return f"{base}/{quote}:{instrument.settle or quote}{expiry}"


def _values(
    body: Mapping[str, Any], event: Mapping[str, Any], condition: str | None, pair: str | None
) -> dict[str, object]:
    named = {name: body[name] for name in ("delivery_id", "occasion", "bot_id")}
    return {
        **named,
        "condition": condition,
        "pair": pair,
        **{f"event.{name}": value for name, value in event.items()},
    }
