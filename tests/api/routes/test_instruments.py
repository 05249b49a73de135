"""Instruments over HTTP: what is listed, by all its names, with or without candles."""

from registry import Condition
from registry.instruments import Instrument, Listing
from tests.api.served_hub import RSI, Hub

OKX = Listing(Instrument("OKX", "BTCUSD.P:BTC"), ("BTC-USD-SWAP", "XBT^"), base="BTC", quote="USD")


def test_what_is_listed_is_shown_with_its_parts(hub: Hub) -> None:
    hub.store.candles.list_instruments([OKX])
    items = hub.as_user("instruments-ann").get("/instruments").json()["items"]
    shown = {item["instrument"]: item for item in items}
    assert shown["OKX:BTCUSD.P:BTC"] == {
        "instrument": "OKX:BTCUSD.P:BTC", "exchange": "OKX", "symbol": "BTCUSD.P:BTC", "kind": "perpetual",
        "base": "BTC", "quote": "USD", "settle": "BTC", "expiry": None, "aliases": ["BTC-USD-SWAP", "XBT^"],
        "calendar": "24x7", "grid": "UTC", "series": [],
    }  # fmt: skip
    assert shown["BINANCE:BTCUSDT"]["series"]


def test_an_alias_registers_its_instrument_and_says_that_it_has_no_candles(hub: Hub) -> None:
    ann = hub.as_user("instruments-ann")
    flat = {**RSI, "symbol": "OKX:XBT^", "value": 41}
    expected = Condition.parse({**RSI, "symbol": "OKX:BTC/USD:BTC", "value": 41})
    # Read before it is listed, the name must not be remembered as unreadable.
    hub.store.candles.list_instruments([Listing(OKX.instrument)])
    assert ann.post("/conditions/register", json=flat).status_code == 422
    hub.store.candles.list_instruments([OKX])
    answer = ann.post("/conditions/register", json=flat)
    assert (answer.status_code, answer.json()["condition_id"], answer.json()["data"]) == (201, expected.id, "missing")
    text = '"OKX:xbt^" 1h: rsi crosses_below 41'
    bulk = ann.post("/conditions/register/bulk", json={"conditions": [text, RSI, "NOPE 1h: rsi < 30"]}).json()
    assert [one["data"] for one in bulk["results"]] == ["missing", "ready", None]
    assert bulk["results"][0]["condition_id"] == expected.id
    assert "hub instruments add BINANCE:NOPE" in bulk["results"][2]["error"]
