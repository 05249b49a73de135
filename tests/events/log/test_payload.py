"""What an event says, and that its JSON says the same."""

from events.log.payload import Event, decode, encode
from tests.events.log.made_events import event


def test_an_event_survives_its_encoding() -> None:
    assert decode(encode(event(3))) == event(3)


def test_a_payload_speaks_of_the_condition_alone() -> None:
    assert Event.__struct_fields__ == (
        *("trigger_id", "seq", "condition_id", "exchange", "symbol", "timeframe", "open_time", "close_time"),
        *("values", "price", "settled", "late", "definition_version", "emitted_at"),
    )
