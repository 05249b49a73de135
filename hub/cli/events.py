"""``hub events``: published triggers, how far each reader has come, and dead letters."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from common.errors import HubError
from hub.cli.opening import hub_settings
from hub.cli.output import AsJson, message, print_json, print_table

if TYPE_CHECKING:
    from events.consuming.dead_letters import Letter
    from events.log.payload import Entry
    from events.log.redis_log import RedisEventLog

events = App(name="events", help="Published triggers, their readers, and dead letters.")
dead = App(name="dead", help="Deliveries that were given up after five attempts.")
events.command(dead)

_BATCH = 1_000
_WAIT_MS = 1_000

ConsumerName = Annotated[str, Parameter(help="The consumer's name.")]
LetterIds = Annotated[tuple[str, ...], Parameter(help="Ids of dead letters, as `hub events dead list` shows them.")]
AllLetters = Annotated[bool, Parameter(name="--all", negative="", help="All of the consumer's dead letters.")]


def add_to(app: App) -> None:
    """Add the commands to the command line."""
    app.command(events)


@events.command
def tail(
    *,
    after: Annotated[int | None, Parameter(help="Start after this number; the last 10 events by default.")] = None,
    condition: Annotated[str | None, Parameter(help="Only events of this condition.")] = None,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative="", help="Keep running and show events as they come.")
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Show published events, oldest first. With --json one per line, as they are in the stream."""
    from common.timeframes import show_time
    from events.opening import connect_log

    with connect_log(hub_settings()) as log:
        start = max(0, log.last_seq() - 10) if after is None else after
        for entry in _entries(log, start, follow):
            if condition is not None and entry.condition_id != condition:
                continue
            if json_output:
                print(entry.payload.decode(), flush=True)
                continue
            event = entry.event
            late = "  late" if event.late else ""
            closed = show_time(event.close_time)
            print(
                f"{event.seq:>8}  {closed}  {event.exchange}:{event.symbol} {event.timeframe:<4}"
                f"{event.price:>14,.8g}  {event.condition_id}{late}",
                flush=True,
            )


@events.command
def lag(*, json_output: AsJson = False) -> None:
    """Show how far the event log and its readers have come."""
    from common.clock import SystemClock
    from events.log.keeper import read_log
    from events.opening import connect_log
    from registry.store import open_configured

    settings = hub_settings()
    with open_configured(settings, read_only=True) as store, connect_log(settings) as log:
        reading = read_log(store, log, SystemClock().now_ms())
        groups = log.groups()
    rows = [
        {
            "consumer": group.name,
            "applied_seq": group.applied_seq,
            "lag": reading.lags[group.name],
            "pending": group.pending,
            "idle_ms": group.idle_ms,
        }
        for group in groups
    ]
    if json_output:
        print_json(
            {
                "stored_seq": reading.stored_seq,
                "published_seq": reading.published_seq,
                "lag": max(0, reading.stored_seq - reading.published_seq),
                "events": reading.events,
                "bytes": reading.bytes,
                "consumers": rows,
            }
        )
        return
    unpublished = max(0, reading.stored_seq - reading.published_seq)
    print(f"{reading.stored_seq:,} triggers stored, {reading.published_seq:,} published, {unpublished:,} to publish")
    print(f"{reading.events:,} events in the log, {reading.bytes / 1e6:,.1f} MB")
    if rows:
        print_table([tuple(rows[0]), *(tuple("-" if cell is None else cell for cell in row.values()) for row in rows)])
    else:
        message("no consumer has read the log yet")


@events.command
def forget(consumer: ConsumerName, *, json_output: AsJson = False) -> None:
    """Remove a consumer that will not come back, and its dead letters; nothing is kept for it any more."""
    from events.consuming.group import forget as forget_group
    from events.opening import connect_log

    with connect_log(hub_settings()) as log:
        letters = forget_group(log, consumer)
        names = ", ".join(group.name for group in log.groups()) or "none"
    if letters is None:
        raise HubError(f"no consumer {consumer!r} has read the log; known consumers: {names}")
    if json_output:
        print_json({"consumer": consumer, "action": "forget", "letters": letters})
    else:
        message(f"{consumer} is forgotten, with {letters} dead letters; its ledger still has both")


@dead.command(name="list")
def list_dead(
    consumer: Annotated[str | None, Parameter(help="The consumer's name; all by default.")] = None,
    *,
    limit: Annotated[int, Parameter(help="At most this many per consumer, oldest first.")] = 100,
    json_output: AsJson = False,
) -> None:
    """List dead letters."""
    from events.consuming.dead_letters import consumers_with_dead_letters, dead_letters
    from events.opening import connect_log

    with connect_log(hub_settings()) as log:
        names = consumers_with_dead_letters(log) if consumer is None else [consumer]
        letters = [(name, *letter) for name in names for letter in dead_letters(log, name, limit)]
    if json_output:
        print_json([{"consumer": name, "id": letter_id, **letter} for name, letter_id, letter in letters])
    elif letters:
        header = ("consumer", "id", "attempts", "user", "bot", "trigger", "reason")
        print_table([header, *(_row(name, letter_id, letter) for name, letter_id, letter in letters)])
    else:
        message("no dead letters")


@dead.command
def retry(
    consumer: ConsumerName, ids: LetterIds = (), *, all_of_them: AllLetters = False, json_output: AsJson = False
) -> None:
    """Have a consumer try dead letters again, with as many attempts as the first time."""
    _decide(consumer, ids, all_of_them, "retry", json_output)


@dead.command
def drop(
    consumer: ConsumerName, ids: LetterIds = (), *, all_of_them: AllLetters = False, json_output: AsJson = False
) -> None:
    """Discard dead letters."""
    _decide(consumer, ids, all_of_them, "drop", json_output)


def _decide(consumer: str, ids: tuple[str, ...], all_of_them: bool, action: str, json_output: bool) -> None:
    from events.consuming.dead_letters import dead_letters, order
    from events.opening import connect_log

    if bool(ids) == all_of_them:
        raise HubError(f"name the dead letters to {action}: their ids, or --all")
    with connect_log(hub_settings()) as log:
        letters = dict(dead_letters(log, consumer, 1_000_000))
        if missing := [letter_id for letter_id in ids if letter_id not in letters]:
            raise HubError(
                f"consumer {consumer!r} has no dead letter {missing[0]!r}; see: hub events dead list {consumer}"
            )
        for letter_id in ids or letters:
            order(log, consumer, letter_id, letters[letter_id], action)
    count = len(ids or letters)
    if json_output:
        print_json({"consumer": consumer, "action": action, "letters": count})
    else:
        message(f"{count} dead letters to {action}: {consumer} does it within a second if it runs, or when it starts")


def _entries(log: "RedisEventLog", start: int, follow: bool) -> "Iterator[Entry]":
    while True:
        entries = log.read(start, _BATCH, wait_ms=_WAIT_MS if follow else 0)
        yield from entries
        if entries:
            start = entries[-1].seq
        elif not follow:
            return


def _row(consumer: str, letter_id: str, letter: "Letter") -> tuple[str, ...]:
    trigger = letter["delivery_id"].rsplit(":", 2)[0]
    return (consumer, letter_id, letter["attempts"], letter["user_id"], letter["bot_id"], trigger, letter["reason"])
