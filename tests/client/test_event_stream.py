"""Server-sent events from bytes, wherever they are cut."""

import pytest

from registry.client.event_stream import EventStream, ServerEvent

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
def test_the_same_events_however_the_bytes_are_cut(size: int) -> None:
    stream = EventStream()
    found = [event for start in range(0, len(WIRE), size) for event in stream.feed(WIRE[start : start + size])]
    assert found == EVENTS
    assert stream.retry_ms == 2500


def test_an_event_that_did_not_come_whole_is_asked_for_again() -> None:
    stream = EventStream()
    list(stream.feed(WIRE))
    stream.broken()
    assert stream.last_id == "10"
    assert list(stream.feed(b"\n\n")) == []
    assert list(stream.feed(b"data: next\n\n")) == [ServerEvent("message", "next", "10")]


def test_ids_and_waits_that_are_none() -> None:
    stream = EventStream("3")
    assert list(stream.feed(b"id: a\0b\nretry: soon\n\n")) == []
    assert (stream.last_id, stream.retry_ms) == ("3", None)


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        list(EventStream().feed(b"data: " + b"x" * (1 << 21)))
