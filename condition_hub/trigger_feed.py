"""Triggers from the hub's event stream over any number of connections: none twice, none missing."""

import logging
from collections.abc import Callable

import httpx
import msgspec

from condition_hub.attempts import Backoff
from condition_hub.event_parser import EventParser
from condition_hub.problems import refusal, retry_after_s
from condition_hub.results import Notice, Trigger

QUIET_S = 60.0
"""A stream that is silent for this long is taken for dead: the hub sends something every few seconds."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_log = logging.getLogger(__name__)


class TriggerFeed:
    """The state of a stream that outlives its connections. Triggers up to ``after_seq`` are not wanted.

    ``on_notice`` is told once of each condition that an upgrade of the hub changed; without it, the log is.
    """

    def __init__(
        self, bot_id: str | None, after_seq: int | None, on_notice: Callable[[Notice], object] | None = None
    ) -> None:
        self._on_notice = on_notice or _log_notice
        self._notices: set[str] = set()
        self._notice_decoder = msgspec.json.Decoder(Notice)
        self._bot_id = bot_id
        self._parser = EventParser("" if after_seq is None else str(after_seq))
        self._seen = -1 if after_seq is None else after_seq
        self._backoff = Backoff()
        self._decoder = msgspec.json.Decoder(Trigger)

    @property
    def query(self) -> dict[str, str]:
        """The query of the next request."""
        return {} if self._bot_id is None else {"bot_id": self._bot_id}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request: they say where to resume."""
        accepted = {"Accept": "text/event-stream"}
        return accepted | ({"Last-Event-ID": self._parser.last_id} if self._parser.last_id else {})

    def feed(self, received: bytes) -> list[Trigger]:
        """The triggers that ``received`` completes, without those that came before."""
        triggers = []
        self._backoff.succeeded()
        for event in self._parser.feed(received):
            if event.kind in ("message", "trigger"):
                trigger = self._decoder.decode(event.data)
                if trigger.seq > self._seen:
                    self._seen = trigger.seq
                    triggers.append(trigger)
            elif event.kind == "notice":
                notice = self._notice_decoder.decode(event.data)
                if notice.notice_id not in self._notices:
                    self._notices.add(notice.notice_id)
                    self._on_notice(notice)
        return triggers

    def wait_after(self, ended: httpx.Response | httpx.TransportError | None) -> float:
        """Seconds until the next connection; raises the hub's refusal if another one would not help."""
        self._parser.broken()
        asked = (self._parser.retry_ms or 0) / 1000
        if isinstance(ended, httpx.Response):
            if ended.status_code not in _PASSING:
                raise refusal(ended)
            asked = retry_after_s(ended) or asked
        wait = max(asked, self._backoff.next_s())
        _log.info("the hub's event stream ended after %s; connecting again in %.1f s", self._parser.last_id, wait)
        return wait


def _log_notice(notice: Notice) -> None:
    now = "cannot be judged any more" if notice.superseded_by is None else f"is now {notice.superseded_by}"
    _log.warning("condition %s of bot %s %s: %s", notice.condition_id, notice.bot_id, now, notice.reason)
