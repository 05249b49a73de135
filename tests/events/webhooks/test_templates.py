"""Templates: valid JSON whatever the values are, and nothing to be read but the event and the webhook's own secrets."""

import base64
import json

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from common.errors import TemplateError
from events.webhooks import templates
from events.webhooks.posts import OwnPost, example_values, filled, own_post, pair_of
from events.webhooks.presets import PRESETS
from registry.directory import Directory
from registry.instruments import Instrument, Listing

ADDRESS = "https://bots.example.com/hub"
VALUES = example_values("bot-1")


def made(body: object, **secrets: str) -> str:
    return filled(OwnPost(ADDRESS, body, {}, secrets), VALUES).body.decode()


def test_a_placeholder_alone_keeps_its_type_and_one_in_a_text_becomes_text() -> None:
    body = {
        "price": "{{ event.price }}",
        "text": "at {{event.price}}",
        "settled": "{{ event.settled }}",
        "rsi": "{{ event.values.rsi(14) }}",
        "values": "{{ event.values }}",
        "missing": ["{{ event.values.ema(9) }}", "<{{ event.values.ema(9) }}>"],
        "number": 7,
    }
    assert json.loads(made(body)) == {
        "price": 49_770.1,
        "text": "at 49770.1",
        "settled": True,
        "rsi": 28.4,
        "values": {"rsi(14)": 28.4, "close": 49_770.1},
        "missing": [None, "<>"],
        "number": 7,
    }


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ event.close_time | iso }}", "2024-08-05T10:00:00Z"),
        ("{{ event.close_time | seconds }}", "1722852000"),
        ("{{ event.price | round(0) | text }}", "49770"),
        ("{{ event.symbol | lower }} {{ event.timeframe | upper }}", "btcusdt 1H"),
        ("{{ condition | html }}", "BTCUSDT 1h: rsi(14) crosses_below 30"),
        ("{{ pair }} {{ occasion }} {{ bot_id }}", "BTC/USDT trigger bot-1"),
        ("{{ event.values }}", "rsi(14) 28.4, close 49770.1"),
        ("no placeholder }} here", "no placeholder }} here"),
    ],
)
def test_filters(text: str, result: str) -> None:
    assert made(text) == result


@settings(max_examples=200, deadline=None)
@for_all(st.text(), st.dictionaries(st.text(max_size=5), st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_json_comes_out_valid_whatever_the_values_are(text: str, operands: dict[str, float | None]) -> None:
    values = {**VALUES, "condition": text, "bot_id": text, "event.values": operands}
    body = {"a": "{{ condition }}", "b": "{{ bot_id }} {{ event.values }}", "c": "{{ event.values }}"}
    body["d"] = "{{ condition | html }}"
    post = filled(OwnPost(ADDRESS, body), values)
    read = json.loads(post.body)
    assert list(read) == list(body)
    assert read["c"] == operands


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ event.__class__ }}", "a template can name"),
        ("{{ event.price.__class__.__mro__ }}", "a template can name"),
        ("{{ config }}", "a template can name"),
        ("{{ env.HUB_API_KEY }}", "a template can name"),
        ("{{ secret.token }}", "add it to secrets"),
        ("{{ secret.webhook }}", "add it to secrets"),
        ("{% for x in y %}{{ x }}{% endfor %}", "no loops"),
        ("{{ range(10) }}", "a template can name"),
        ("{{ event.price | attr('x') }}", "a filter"),
        ("{{ event.price | upper(3) }}", "only round"),
        ("{{ event.price", "does not end"),
        ("{{ {{ event.price }} }}", "does not end"),
        ("{{ include 'https://example.com' }}", "a template can name"),
        ("{{ }}", "a template can name"),
        (["x" * 9_000], "8,192"),
        ("{{ bot_id }}" * 101, "101 placeholders"),
    ],
)
def test_a_template_reads_nothing_else_and_neither_loops_nor_calls(body: object, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        OwnPost(ADDRESS, body)


def test_nesting_has_a_limit() -> None:
    body: object = "x"
    for _ in range(30):
        body = [body]
    with pytest.raises(TemplateError, match="deep"):
        OwnPost(ADDRESS, body)


def test_what_a_value_says_is_never_read_as_a_template() -> None:
    values = {**VALUES, "condition": "{{ secret.token }} {{ event.price }}"}
    own = OwnPost(ADDRESS, {"text": "{{ condition }}", "key": "{{ secret.token }}"}, {}, {"token": "s3cret"})
    assert json.loads(filled(own, values).body)["text"] == "{{ secret.token }} {{ event.price }}"


def test_a_secret_stays_in_its_part_of_the_address_and_is_masked_in_previews() -> None:
    own = OwnPost(
        "https://bots.example.com/{{secret.token}}/send",
        "{{ secret.token }}",
        {"Authorization": "Basic {{ secret.token | base64 }}"},
        {"token": "a?b#c d/e:f"},
    )
    post = filled(own, VALUES)
    assert post.url == "https://bots.example.com/a%3Fb%23c%20d/e:f/send"
    assert post.headers == {"Authorization": f"Basic {base64.b64encode(b'a?b#c d/e:f').decode()}"}
    preview = filled(own, VALUES, masked=True)
    assert preview.url == "https://bots.example.com/***/send"
    shown = f"{preview.url} {dict(preview.headers)} {preview.body.decode()}"
    assert "a?b" not in shown
    assert base64.b64encode(b"a?b#c d/e:f").decode() not in shown
    assert "a?b" not in repr((own, post))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Host": "x"}, "the hub sets itself"),
        ({"Webhook-Signature": "x"}, "the hub sets itself"),
        ({"Content-Length": "3"}, "the hub sets itself"),
        ({"X\r\nY": "x"}, "letters, digits and hyphens"),
        ({"X": "a\r\nHost: b"}, "printable ASCII"),
        ({"X": "{{ event.price }}"}, "secrets only"),
    ],
)
def test_headers_cannot_change_the_request(headers: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        OwnPost(ADDRESS, "x", headers)


def test_a_secret_that_is_not_used_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match="secrets/tokem is not used"):
        OwnPost(ADDRESS, "x", {}, {"tokem": "x"})


OPTIONS = {
    "url": "https://bots.example.com/", "chat_id": "42", "bot_uuid": "u-1", "action": "enter_long",
}  # fmt: skip
MADE = {
    "freqtrade_forceenter": {
        "pair": "BTC/USDT", "side": "long", "entry_tag": "hub 8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00",
    },
    "freqtrade_forceexit": {"tradeid": "all"},
    "3commas_signal": {
        "secret": "user:pass", "max_lag": "300", "timestamp": "2024-08-05T10:00:00.150Z", "trigger_price": "49770.1",
        "tv_exchange": "BINANCE", "tv_instrument": "BTCUSDT", "action": "enter_long", "bot_uuid": "u-1",
    },
    "telegram": {
        "chat_id": "42",
        "text": "BTCUSDT 1h: rsi(14) crosses_below 30 fired at 49770.1, close of 2024-08-05T10:00:00Z",
        "disable_web_page_preview": True,
    },
    "discord": {
        "content": "`BTCUSDT 1h: rsi(14) crosses_below 30` fired at 49770.1, close of 2024-08-05T10:00:00Z",
        "allowed_mentions": {"parse": []},
    },
    "slack": {
        "text": "`BTCUSDT 1h: rsi(14) crosses_below 30` fired at 49770.1, close of 2024-08-05T10:00:00Z",
    },
}  # fmt: skip
URLS = {
    "freqtrade_forceenter": "https://bots.example.com/api/v1/forceenter",
    "freqtrade_forceexit": "https://bots.example.com/api/v1/forceexit",
    "3commas_signal": "https://api.3commas.io/signal_bots/webhooks",
    "tradingview_text": "https://bots.example.com",
    "telegram": "https://api.telegram.org/botuser:pass/sendMessage",
    "discord": "https://discord.com/api/webhooks/user:pass",
    "slack": "https://hooks.slack.com/services/user:pass",
}


@pytest.mark.parametrize("name", list(PRESETS))
def test_each_preset_makes_what_its_receiver_reads(name: str) -> None:
    preset = PRESETS[name]
    options = {key: value for key, value in OPTIONS.items() if key in preset.options}
    own = own_post(None, name, options, dict.fromkeys(preset.secrets, "user:pass"), {}, None)
    assert own is not None
    post = filled(own, VALUES)
    assert post.url == URLS[name]
    if name == "tradingview_text":
        assert post.media_type.startswith("text/plain")
        assert post.body.decode().startswith("BINANCE:BTCUSDT, 1h: ")
    else:
        assert json.loads(post.body) == MADE[name]
    if name.startswith("freqtrade"):
        assert post.headers == {"Authorization": "Basic dXNlcjpwYXNz"}


@pytest.mark.parametrize(
    ("preset", "options", "secrets", "said"),
    [
        ("telegran", {}, {}, "there are freqtrade_forceenter"),
        ("telegram", {}, {"token": "x"}, "needs the option chat_id"),
        ("telegram", {"chat": "x"}, {"token": "x"}, "its options are: chat_id text"),
        ("telegram", {"chat_id": "x"}, {}, "needs the secret token"),
        ("telegram", {"chat_id": "x"}, {"token": "x", "key": "y"}, "its secrets are: token"),
    ],
)
def test_what_a_preset_lacks_is_said(preset: str, options: dict[str, str], secrets: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        own_post(None, preset, options, secrets, {}, None)


@pytest.mark.parametrize(
    ("symbol", "pair"),
    [
        ("BTCUSDT", "BTC/USDT"),
        ("ETHBTC", "ETH/BTC"),
        ("BTCUSDT.P", "BTC/USDT:USDT"),
        ("BTCUSD.P:BTC", "BTC/USD:BTC"),
        ("BTCUSDT-20250328", "BTC/USDT:USDT-250328"),
        ("AAPL", None),
    ],
)
def test_pairs_as_freqtrade_names_them(symbol: str, pair: str | None) -> None:
    assert pair_of(Instrument("BINANCE", symbol), Directory()) == pair


def test_the_pair_of_a_list_wins() -> None:
    odd = Instrument("BINANCE", "ABTCUSDT")
    assert pair_of(odd, Directory([Listing(odd, base="AB", quote="TCUSDT")])) == "AB/TCUSDT"


def test_masked_is_what_previews_show() -> None:
    assert templates.fill("{{ secret.a | base64 }}", {"secret.a": "x"}, masked=True) == templates.MASKED
