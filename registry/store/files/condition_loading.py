"""Loading conditions from the file into the owner's memory."""

import logging
from collections.abc import Iterator
from sys import intern

import polars as pl

from common.errors import HubError
from common.records import records_of
from registry.groups import Group
from registry.store.files.upgrade_statements import current_conditions
from registry.store.parts.registry import StoredCondition
from registry.store.sql import Database

_log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 20_000
_REPEATED = ("exchange", "symbol", "timeframe", "definition_versions")
"""Texts that many conditions have in common: each is kept once."""


def load_conditions(database: Database, table: str = "registry.condition_registry") -> Iterator[StoredCondition]:
    """The conditions of a table that no other has superseded, oldest first. A damaged one is left out, and logged."""
    groups: dict[str, Group | HubError] = {}
    for rows in database.frames(
        f"""
        SELECT condition_id, canonical, text, exchange, symbol, timeframe, group_key AS "group",
               definition_versions, epoch_ms(active_from) AS active_from_ms, coalesce(packed, '') AS packed
        FROM {current_conditions(table)} AS current ORDER BY created_at, condition_id
        """,
        rows=_ROWS_AT_ONCE,
    ):
        for text in rows["group"].unique(maintain_order=True):
            if text not in groups:
                groups[text] = _group(text)
        wrong = [text for text, group in groups.items() if isinstance(group, HubError)]
        for condition_id, text in rows.filter(pl.col("group").is_in(wrong)).select("condition_id", "group").iter_rows():
            # A damaged row must not keep the store from opening.
            _log.error("condition %s is left out: it cannot be read: %s", condition_id, groups[text])
        readable = rows.filter(~pl.col("group").is_in(wrong)) if wrong else rows
        columns = {name: readable[name].to_list() for name in readable.columns}
        columns |= {name: list(map(intern, columns[name])) for name in _REPEATED}
        columns["group"] = [groups[text] for text in columns["group"]]
        yield from records_of(StoredCondition, readable.height, columns)


def _group(text: str) -> Group | HubError:
    try:
        return Group.parse(text)
    except HubError as error:
        return error
