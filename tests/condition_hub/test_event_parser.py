"""Server-sent events from bytes, wherever they are split."""

import httpx
import msgspec
import pytest

from common.errors import ApiRefused, KeyRefused
from condition_hub.event_parser import EventParser, ServerEvent
from condition_hub.results import Trigger
from condition_hub.trigger_feed import TriggerFeed

WIRE = (
    b': here I am\n\nid: 7\nevent: trigger\ndata: {"seq": 7}\n\nretry: 2500\nid: 9\n\n'
    b"data: one\r\ndata:two\r\n\r\nunknown: field\ndata: a\xe2\x80\xa8b\nid:10\n\n"
    b"event: bye\n\nid: 11\ndata: unfinished\n"
)
EVENTS = [
    ServerEvent("trigger", '{"seq": 7}', "7"),
    ServerEvent("message", "one\ntwo", "9"),
    ServerEvent("message", "a\u2028b", "10"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_the_same_events_however_the_bytes_are_split(size: int) -> None:
    parser = EventParser()
    events = [event for start in range(0, len(WIRE), size) for event in parser.feed(WIRE[start : start + size])]
    assert events == EVENTS
    assert parser.retry_ms == 2500


def test_an_incomplete_event_is_asked_for_again() -> None:
    parser = EventParser()
    list(parser.feed(WIRE))
    parser.broken()
    assert parser.last_id == "10"
    assert list(parser.feed(b"\n\n")) == []
    assert list(parser.feed(b"data: next\n\n")) == [ServerEvent("message", "next", "10")]


def test_invalid_ids_and_waits_are_ignored() -> None:
    parser = EventParser("3")
    assert list(parser.feed(b"id: a\0b\nretry: soon\n\n")) == []
    assert (parser.last_id, parser.retry_ms) == ("3", None)


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        list(EventParser().feed(b"data: " + b"x" * (1 << 21)))


def sent(seq: int) -> bytes:
    trigger = Trigger(
        trigger_id=f"{'a' * 32}:{seq}",
        seq=seq,
        condition_id="a" * 32,
        exchange="BINANCE",
        symbol="BTCUSDT",
        timeframe="1h",
        open_time=0,
        close_time=seq,
        values={},
        price=1.0,
        settled=True,
        late=False,
        definition_version="",
        emitted_at=0,
    )
    return b"id: %d\nevent: trigger\ndata: %b\n\n" % (seq, msgspec.json.encode(trigger))


def test_a_trigger_that_is_sent_twice_is_returned_once() -> None:
    feed = TriggerFeed("bot", 4)
    assert (feed.query, feed.headers["Last-Event-ID"]) == ({"bot_id": "bot"}, "4")
    triggers = feed.feed(sent(4) + sent(5) + sent(6))
    feed.wait_after(None)
    assert feed.headers["Last-Event-ID"] == "6"
    triggers += feed.feed(b": heartbeat\nid: 9\n\n" + sent(5) + sent(6) + sent(10))
    assert [trigger.seq for trigger in triggers] == [5, 6, 10]
    assert feed.feed(b"event: something of a later version\ndata: {}\n\n") == []


def test_a_stream_waits_as_long_as_it_is_asked_to() -> None:
    feed = TriggerFeed(None, None)
    assert "Last-Event-ID" not in feed.headers
    assert feed.wait_after(httpx.ConnectError("refused")) <= 0.1
    feed.feed(b"retry: 2000\n\n")
    assert feed.wait_after(None) == 2
    assert feed.wait_after(httpx.Response(503, headers={"Retry-After": "7"})) == 7
    for status, kind in ((401, KeyRefused), (422, ApiRefused)):
        refused = httpx.Response(status, json={"detail": "no"}, request=httpx.Request("GET", "http://hub/events"))
        with pytest.raises(kind):
            feed.wait_after(refused)
