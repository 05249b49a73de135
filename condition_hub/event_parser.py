"""Parses server-sent events, as the HTML standard defines them, from the bytes of an answer."""

from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class ServerEvent:
    """One event; ``last_id`` is the id up to which the stream has been read with it."""

    kind: str
    data: str
    last_id: str


class EventParser:
    """Takes the bytes of a stream as they arrive and returns its events.

    ``last_id`` outlives a connection: the next one resumes from there. An incomplete event does not change it.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry_ms: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._rest = b""
        self._kind = ""
        self._data: list[str] = []
        self._id = self.last_id

    def feed(self, received: bytes) -> Iterator[ServerEvent]:
        """The events that ``received`` completes."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise ValueError(f"a line of the event stream is longer than {_LONGEST_LINE} bytes")
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def broken(self) -> None:
        """The connection ended: an incomplete event is dropped."""
        self._begin()

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
        return None

    def _dispatch(self) -> ServerEvent | None:
        self.last_id = self._id
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        return ServerEvent(kind, "\n".join(data), self.last_id) if data else None
