"""The live feed of triggers, narrowed for each reader to what the bots of its user want."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import msgspec

from api.http.request_metrics import RequestMetrics
from api.shared_view import SharedView
from api.streams.wanted import Watch
from common.supervision import Loops
from events.log.live_feed import Following, LiveFeed
from events.log.payload import Entry
from events.log.redis_log import EventLog
from registry.store.parts.registry import UpgradeNotice
from registry.store.protocol import SharedStore, Store


class _Closed(msgspec.Struct):
    close_time: int


_REVOKED_LOOK_S = 0.5
_CLOSED = msgspec.json.Decoder(_Closed)


@dataclass(eq=False)
class Stream:
    """One reader of a user, with the key that it came with. ``everything`` is for operators."""

    user_id: str
    key_id: str
    bot_id: str | None
    everything: bool
    following: Following
    notices: Sequence[UpgradeNotice] = ()
    """What upgrades did to the conditions of the user's bots since the last event that the reader has seen."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Send no more events."""
        self.over.set()
        self.following.close()


class UserFeed:
    """The open streams of all users. For use on one event loop; store and log are read in threads.

    ``view`` is that of a store that others write to: their subscriptions and revocations count from the next event on.
    """

    def __init__(
        self, store: Store, log: EventLog, metrics: RequestMetrics, loops: Loops, view: SharedView | None = None
    ) -> None:
        self._metrics = metrics
        self._view = view
        self._loop, self._revoked_loop = loops.loop("live-feed"), loops.loop("revoked-keys")
        self._watch = Watch(store.registry)
        self._live = LiveFeed(
            store.triggers,
            log,
            prepare=store.take_up if isinstance(store, SharedStore) else lambda: None,
            before=self._take_over,
        )
        self._streams: dict[str, set[Stream]] = {}
        self._accounts = store.accounts
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    def start(self) -> None:
        """Start following the log, and looking for keys that were revoked."""
        self._tasks = [
            asyncio.create_task(self._loop.run_task(self._live.run), name="live feed"),
            asyncio.create_task(self._revoked_loop.run_task(self._end_revoked), name="revoked keys"),
        ]

    async def stop(self) -> None:
        """Stop following, and end all streams."""
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end_streams(self) -> None:
        """End all streams because the service stops; those opened later end at once."""
        self._stopped = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end()

    def streams_of(self, user_id: str) -> int:
        """The number of open streams of a user."""
        return len(self._streams.get(user_id, ()))

    def open(
        self,
        user_id: str,
        key_id: str,
        bot_id: str | None,
        after_seq: int | None,
        *,
        everything: bool,
        notices: Sequence[UpgradeNotice] = (),
    ) -> Stream:
        """A stream of notices and of the triggers after ``after_seq``, or of new ones only if it is ``None``.

        Must be closed.
        """
        self._watch.add(user_id)
        conditions = None if everything else self._watch.conditions(user_id, bot_id)
        stream = Stream(user_id, key_id, bot_id, everything, self._live.follow(after_seq, conditions), notices)
        self._streams.setdefault(user_id, set()).add(stream)
        self._metrics.streams.inc()
        if self._stopped:
            stream.end()
        return stream

    def close(self, stream: Stream) -> None:
        """Close a stream; a second call does nothing."""
        streams = self._streams.get(stream.user_id, set())
        if stream not in streams:
            return
        streams.remove(stream)
        if not streams:
            del self._streams[stream.user_id]
        stream.following.close()
        self._watch.remove(stream.user_id)
        self._metrics.streams.dec()

    def wanted(self, stream: Stream, entries: Sequence[Entry]) -> list[Entry]:
        """The events that are for a stream: their candles closed after one of the subscriptions began."""
        with self._kept():
            return [entry for entry in entries if self._is_for(stream, entry)]

    def _is_for(self, stream: Stream, entry: Entry) -> bool:
        if self._is_revoked(stream):
            stream.end()
            return False
        if stream.everything:
            return True
        close_ms = _CLOSED.decode(entry.payload).close_time
        return self._watch.wants(stream.user_id, stream.bot_id, entry.condition_id, close_ms)

    def _is_revoked(self, stream: Stream) -> bool:
        key = self._accounts.key(stream.key_id)
        return key is None or key.revoked_ms is not None

    async def _end_revoked(self) -> None:
        """End the streams whose keys have been revoked. They get no event before that either."""
        while True:
            await asyncio.sleep(_REVOKED_LOOK_S)
            if self._view is not None and self._streams:
                await self._view.refresh()
            with self._kept():
                for stream in [one for streams in self._streams.values() for one in streams]:
                    if self._is_revoked(stream):
                        stream.end()

    def _take_over(self) -> None:
        """Apply changed subscriptions to the events that follow."""
        with self._kept():
            for user_id in self._watch.refresh():
                for stream in self._streams.get(user_id, ()):
                    if not stream.everything:
                        stream.following.watch(self._watch.conditions(user_id, stream.bot_id))

    def _kept(self) -> AbstractContextManager[None]:
        """The view as it was refreshed last: this is the event loop, which must not wait for a store."""
        return nullcontext() if self._view is None else self._view.kept()
