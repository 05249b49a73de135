"""Presets: templates for receivers that many people have, to be filled with a few options and secrets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import TemplateError
from events.webhooks.templates import Template


@dataclass(frozen=True)
class Preset:
    """What to post to one kind of receiver. Options stand in it as ``<name>``."""

    name: str
    text: str
    """What it does, in one sentence."""
    url: str
    body: Template
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    """Name -> what it is."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """The options that may be left out, and what they are then."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Name -> what it is."""

    def filled(self, options: Mapping[str, str]) -> tuple[str, dict[str, str], Template]:
        """Its address, headers and body with the options in them; raises :class:`TemplateError`."""
        for name in options:
            if name not in self.options:
                known = " ".join(self.options) or "none"
                raise TemplateError(f"preset {self.name} has no option {name[:40]!r}; its options are: {known}")
        chosen = {**self.defaults, **options}
        for name, what in self.options.items():
            if name not in chosen:
                raise TemplateError(f"preset {self.name} needs the option {name}: {what}")
        chosen = {name: value.rstrip("/") if name == "url" else value for name, value in chosen.items()}
        headers = {name: _with_options(value, chosen) for name, value in self.headers.items()}
        return _with_options(self.url, chosen), headers, _body_with_options(self.body, chosen)

    def check_secrets(self, secrets: Mapping[str, str]) -> None:
        """Raises :class:`TemplateError` unless there are exactly the secrets that it needs."""
        for name in secrets:
            if name not in self.secrets:
                known = " ".join(self.secrets) or "none"
                raise TemplateError(f"preset {self.name} has no secret {name[:40]!r}; its secrets are: {known}")
        for name, what in self.secrets.items():
            if name not in secrets:
                raise TemplateError(f"preset {self.name} needs the secret {name}: {what}")


def preset_called(name: str) -> Preset:
    """A preset by its name; raises :class:`TemplateError`."""
    if name not in PRESETS:
        raise TemplateError(f"there is no preset {name[:40]!r}; there are {' '.join(PRESETS)}")
    return PRESETS[name]


def _with_options(text: str, options: Mapping[str, str]) -> str:
    for name, value in options.items():
        text = text.replace(f"<{name}>", value)
    return text


def _body_with_options(template: Template, options: Mapping[str, str]) -> Template:
    if isinstance(template, str):
        return _with_options(template, options)
    if isinstance(template, dict):
        return {key: _body_with_options(part, options) for key, part in template.items()}
    if isinstance(template, list):
        return [_body_with_options(part, options) for part in template]
    return template


_MESSAGE = "{{ condition }} fired at {{ event.price }}, close of {{ event.close_time | iso }}"
_FREQTRADE_URL = "Where freqtrade's API can be reached, such as https://freqtrade.example.com"
_FREQTRADE_LOGIN = {"login": "username:password of api_server in freqtrade's configuration"}
_BASIC = {"Authorization": "Basic {{ secret.login | base64 }}"}

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "freqtrade_forceenter",
            "Have freqtrade enter the pair; it needs force_entry_enable, and answers an error while it cannot",
            url="<url>/api/v1/forceenter",
            headers=_BASIC,
            body={"pair": "<pair>", "side": "<side>", "entry_tag": "hub {{ event.condition_id }}"},
            options={
                "url": _FREQTRADE_URL,
                "side": "long or short",
                "pair": "freqtrade's name of the pair, BTC/USDT or BTC/USDT:USDT, if not that of the condition",
            },
            defaults={"side": "long", "pair": "{{ pair }}"},
            secrets=_FREQTRADE_LOGIN,
        ),
        Preset(
            "freqtrade_forceexit",
            "Have freqtrade exit a trade, or all that are open: its API knows trades by number, not by pair",
            url="<url>/api/v1/forceexit",
            headers=_BASIC,
            body={"tradeid": "<tradeid>"},
            options={"url": _FREQTRADE_URL, "tradeid": "The number of a trade, or all"},
            defaults={"tradeid": "all"},
            secrets=_FREQTRADE_LOGIN,
        ),
        Preset(
            "3commas_signal",
            "Send a custom signal to a 3Commas signal bot",
            url="https://api.3commas.io/signal_bots/webhooks",
            body={
                "secret": "{{ secret.secret }}",
                "max_lag": "<max_lag>",
                "timestamp": "{{ event.emitted_at | iso }}",
                "trigger_price": "{{ event.price | text }}",
                "tv_exchange": "{{ event.exchange }}",
                "tv_instrument": "<instrument>",
                "action": "<action>",
                "bot_uuid": "<bot_uuid>",
            },
            options={
                "bot_uuid": "bot_uuid of the bot's JSON",
                "action": "enter_long, exit_long, enter_short or exit_short",
                "max_lag": "Seconds after which 3Commas ignores the signal",
                "instrument": "tv_instrument, if not the condition's symbol",
            },
            defaults={"max_lag": "300", "instrument": "{{ event.symbol }}"},
            secrets={"secret": "secret of the bot's JSON"},
        ),
        Preset(
            "tradingview_text",
            "Post a line of text, as an alert of TradingView does, to whatever reads those",
            url="<url>",
            body="<text>",
            options={"url": "Where to post it", "text": "The line, with placeholders"},
            defaults={"text": "{{ event.exchange }}:{{ event.symbol }}, {{ event.timeframe }}: " + _MESSAGE},
        ),
        Preset(
            "telegram",
            "Send a message by a Telegram bot",
            url="https://api.telegram.org/bot{{secret.token}}/sendMessage",
            body={"chat_id": "<chat_id>", "text": "<text>", "disable_web_page_preview": True},
            options={"chat_id": "Number of the chat, or @channel", "text": "The message, with placeholders"},
            defaults={"text": _MESSAGE},
            secrets={"token": "The bot's token, as BotFather shows it"},
        ),
        Preset(
            "discord",
            "Send a message to a channel of Discord",
            url="https://discord.com/api/webhooks/{{secret.path}}",
            body={"content": "<text>", "allowed_mentions": {"parse": []}},
            options={"text": "The message, with placeholders"},
            defaults={"text": "`{{ condition }}` fired at {{ event.price }}, close of {{ event.close_time | iso }}"},
            secrets={"path": "What follows /api/webhooks/ in the address that Discord shows"},
        ),
        Preset(
            "slack",
            "Send a message to a channel of Slack",
            url="https://hooks.slack.com/services/{{secret.path}}",
            body={"text": "<text>"},
            options={"text": "The message, with placeholders"},
            defaults={
                "text": "`{{ condition | html }}` fired at {{ event.price }}, close of {{ event.close_time | iso }}"
            },
            secrets={"path": "What follows /services/ in the address that Slack shows"},
        ),
    )
}
"""Name -> preset."""


def body_text(template: Template) -> str:
    """A template as JSON, as it is stored."""
    return json.dumps(template, ensure_ascii=False, separators=(",", ":"))
