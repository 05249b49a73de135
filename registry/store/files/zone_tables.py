"""The rules of the time zones that conditions use, in ``registry.duckdb``, as they were when windows were judged.

Whether a candle opened during(09:30-16:00, America/New_York) depends on the zone rules that are installed. Most of
their releases change only the future. One that changes the past of a zone in use would make history come out
differently from what was recorded, so it is refused when the owner opens the files.
"""

import logging
from collections.abc import Iterable

import polars as pl

from common.errors import ZoneError, ZoneRulesChanged
from common.timeframes import show_time
from common.zones import KNOWN_YEARS_MS, ZONES_VERSION, offset_changes
from registry.conditions import Condition
from registry.language.tree import windows
from registry.store.sql import Database, Transaction, newest_rows

_log = logging.getLogger(__name__)

_Changes = tuple[tuple[int, int], ...]
"""(from when on, how far from UTC), in milliseconds."""


class ZoneTables:
    """Which zones are in use. Those of new conditions are written in their transaction, and adopted after it."""

    def __init__(self, database: Database, now_ms: int) -> None:
        """Compares the rules with those that are installed. Raises :class:`ZoneRulesChanged`."""
        self._database = database
        rows = database.rows(
            "SELECT zone, zones_version, offsets "
            f"FROM {newest_rows('registry.zone_rules', 'zone')} AS newest ORDER BY zone"
        )
        older = [(str(zone), str(version), str(offsets)) for zone, version, offsets in rows if version != ZONES_VERSION]
        in_use = []
        for zone, version, offsets in older:
            if users := _users(database, zone):
                _compare(zone, _read(offsets), version, now_ms, users)
                in_use.append(zone)
        if in_use and not database.read_only:
            with database.transaction() as transaction:
                self.write(transaction, in_use, now_ms)
            _log.info("zone rules %s apply from here on to %s", ZONES_VERSION, ", ".join(in_use))
        self._known = {str(zone) for zone, version, _ in rows if version == ZONES_VERSION} | set(in_use)

    def load(self) -> None:
        """Read again which zones are in use, by the rules that are installed."""
        rows = self._database.rows("SELECT zone FROM registry.zone_rules WHERE zones_version = ?", [ZONES_VERSION])
        self._known = {str(zone) for (zone,) in rows}

    def fresh(self, conditions: Iterable[Condition]) -> set[str]:
        """The zones of conditions that are not in use yet."""
        zones = {window.zone for condition in conditions for window in windows(condition.tree)}
        return zones - self._known - {"UTC"}

    def write(self, transaction: Transaction, zones: Iterable[str], now_ms: int) -> None:
        """Append the rules that are installed for some zones."""
        rows = [(zone, ZONES_VERSION, _written(offset_changes(zone, *KNOWN_YEARS_MS))) for zone in sorted(zones)]
        frame = pl.DataFrame(rows, schema=["zone", "zones_version", "offsets"], orient="row")
        created_at = pl.lit(now_ms).cast(pl.Datetime("ms")).alias("created_at")
        transaction.append("registry.zone_rules", frame.with_columns(created_at))

    def adopt(self, zones: Iterable[str]) -> None:
        """Take over zones that have been committed."""
        self._known |= set(zones)


def _users(database: Database, zone: str) -> list[str]:
    """The conditions with a window in a zone, those that were retired aside."""
    rows = database.rows(
        f"""
        SELECT DISTINCT condition_id FROM registry.condition_registry
        WHERE (position(', ' || ?::VARCHAR || ')' IN canonical) + position('(' || ?::VARCHAR || ')' IN canonical)) > 0
            AND condition_id NOT IN (
                SELECT condition_id FROM {newest_rows("registry.unjudged_conditions", "condition_id")} AS newest
                WHERE state = 'retired'
            )
        ORDER BY condition_id
        """,
        [zone, zone],
    )
    return [str(condition_id) for (condition_id,) in rows]


def _compare(zone: str, before: _Changes, version_before: str, now_ms: int, users: list[str]) -> None:
    try:
        after = offset_changes(zone, *KNOWN_YEARS_MS)
    except ZoneError:
        difference = "no longer have it"
    else:
        changed_ms = min(set(_past(before, now_ms)) ^ set(_past(after, now_ms)), default=None)
        if changed_ms is None:
            return
        difference = f"put its clock to another time from {show_time(changed_ms[0])} UTC on"
    listed = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    raise ZoneRulesChanged(
        f"the time zone {zone} is used by {listed}, judged by release {version_before} of the zone rules; release"
        f" {ZONES_VERSION}, which is installed, would {difference}, so what was recorded would come out differently."
        f" Install tzdata=={version_before} again; or, to go on with the newer one, retire these conditions with the"
        " older one installed: hub conditions retire ID --why TEXT"
    )


def _past(changes: _Changes, now_ms: int) -> _Changes:
    return tuple(change for change in changes if change[0] <= now_ms)


def _written(changes: _Changes) -> str:
    return " ".join(f"{from_ms}:{offset}" for from_ms, offset in changes)


def _read(offsets: str) -> _Changes:
    pairs = (pair.split(":") for pair in offsets.split())
    return tuple((int(from_ms), int(offset)) for from_ms, offset in pairs)
