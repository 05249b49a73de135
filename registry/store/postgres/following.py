"""Which part of the memory takes up which tables, when other processes have written to them."""

from registry.store.files.tables import Tables
from registry.store.postgres.database import ChangedTables

_REGISTRY = "registry."


def follow(tables: Tables, changed: ChangedTables) -> None:
    """Bring the memory of a process to where the database is."""

    def rows(name: str) -> int:
        return changed.rows(_REGISTRY + name)

    def count(name: str) -> int | None:
        return changed.count(_REGISTRY + name)

    def touched(*names: str) -> bool:
        return any(changed.touched(_REGISTRY + name) for name in names)

    # In the order in which a commit is taken over: watermarks before spans, which may be cut short at them.
    if touched("group_watermarks"):
        tables.watermarks.follow(count("group_watermarks"))
    if touched("condition_triggers", "seq_gaps", "adopted_triggers"):
        tables.triggers.follow(rows("condition_triggers"))
    tables.ticks.follow(rows("ticks"), rows("tick_runs"), rows("series_anchors"), touched("tick_totals", "run_totals"))
    if changed.touched("candles.candle_changes") or changed.touched("candles.instruments"):
        tables.candles.follow(changed.rows("candles.candle_changes"), changed.touched("candles.instruments"))
    tables.registry.follow(
        rows("condition_registry"),
        rows("condition_activity"),
        rows("user_condition_subscriptions"),
        rows("unjudged_conditions"),
    )
    if touched("announced_upgrades"):
        tables.registry.follow_announcements()
    if touched("zone_rules"):
        tables.registry.follow_zones()
    if touched("api_keys"):
        tables.accounts.follow(count("api_keys"))
    if touched("webhooks", "delivery_cursors"):
        tables.delivery.follow(count("webhooks"), count("delivery_cursors"))
    if touched("tried_conditions"):
        tables.trials.follow()
    if touched("failed_runs", "recovered_deployments"):
        tables.runs.load()
    histories = ("bot_orders", "bot_fills", "bot_deals", "bot_actions", "bot_notes")
    if touched("bots", "bot_states", "bot_commands", *histories):
        tables.bots.follow(count("bots"), count("bot_states"), count("bot_commands"))
