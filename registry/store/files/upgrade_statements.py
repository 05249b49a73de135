"""The statements of an upgrade (``registry.store.files.upgrade``), in their order, and what they build on."""

from registry.store.sql import newest_rows

NEWEST_OUTCOMES = newest_rows("registry.upgraded_conditions", "condition_id")
"""What the newest upgrade that changed it made of each condition."""
SUPERSEDED = f"(SELECT * FROM {NEWEST_OUTCOMES} AS outcomes WHERE superseded_by <> condition_id)"


def current_conditions(table: str = "registry.condition_registry") -> str:
    """SQL for the newest revisions of all conditions in a table that no other has superseded."""
    return f"""(
        SELECT * FROM {newest_rows(table, "condition_id", "revision")} AS newest
        WHERE condition_id NOT IN (SELECT condition_id FROM {SUPERSEDED} AS superseded)
    )"""


CURRENT_CONDITIONS = current_conditions()


CHANGES = """
CREATE TEMP TABLE changes (
    condition_id VARCHAR, old_group VARCHAR, registered_at TIMESTAMP_MS, reason VARCHAR,
    new_id VARCHAR, canonical VARCHAR, text VARCHAR, exchange VARCHAR, symbol VARCHAR, timeframe VARCHAR,
    group_key VARCHAR, definition_versions VARCHAR, packed BLOB  -- all null: it cannot be read any more
)
"""

"""The conditions that an upgrade changes. Table ``this`` has its number and its time."""

STATEMENTS = (
    # What the statements below work with. First the subscriptions of conditions that change, and those that the same
    # bots have of the conditions that they change to: the newest revision of each.
    """
    CREATE TEMP TABLE joining AS
    WITH newest AS (
        SELECT max(change) AS change, max(change) FILTER (bot_config IS NOT NULL) AS config_change
        FROM registry.user_condition_subscriptions
        WHERE condition_id IN (
            SELECT condition_id FROM changes WHERE new_id IS NOT NULL UNION SELECT new_id FROM changes
        )
        GROUP BY user_id, bot_id, condition_id
    )
    SELECT s.* EXCLUDE (bot_config), n.config_change, coalesce(c.new_id, s.condition_id) AS new_id,
        c.new_id IS NOT NULL AS is_old
    FROM registry.user_condition_subscriptions s JOIN newest n USING (change) LEFT JOIN changes c USING (condition_id)
    """,
    "CREATE TEMP TABLE marks AS "
    "SELECT group_key, max(watermark) AS mark FROM registry.group_watermarks GROUP BY group_key",
    """
    CREATE TEMP TABLE spans AS
    SELECT condition_id, active_from, active_until FROM registry.condition_activity
    QUALIFY row_number() OVER (PARTITION BY condition_id ORDER BY active_from DESC, rowid DESC) = 1
    """,
    """
    CREATE TEMP TABLE states AS
    SELECT * FROM (
        SELECT * FROM registry.unjudged_conditions
        QUALIFY row_number() OVER (PARTITION BY condition_id ORDER BY rowid DESC) = 1
    ) WHERE state <> 'judged'
    """,
    # The conditions that others change to, each once: judged from where the groups of those have been judged to, as
    # long as one of them is wanted. One that exists already goes on as it does, and perhaps longer.
    f"""
    CREATE TEMP TABLE wanted AS
    SELECT c.new_id, any_value(e.condition_id) IS NOT NULL AS is_known,
        min(greatest(s.active_from, coalesce(o.mark, s.active_from), coalesce(n.mark, s.active_from))) AS begins,
        CASE WHEN bool_and(s.active_until IS NOT NULL AND k.condition_id IS NULL) THEN max(s.active_until) END AS ends,
        bool_and(r.condition_id IS NOT NULL) AS is_retired, any_value(r.reason) AS why, any_value(r.since) AS since
    FROM changes c
    JOIN spans s USING (condition_id)
    LEFT JOIN marks o ON o.group_key = c.old_group
    LEFT JOIN marks n ON n.group_key = c.group_key
    LEFT JOIN (SELECT DISTINCT condition_id FROM joining WHERE is_old AND state <> 'ended') k USING (condition_id)
    LEFT JOIN (SELECT * FROM states WHERE state = 'retired') r USING (condition_id)
    LEFT JOIN {CURRENT_CONDITIONS} e ON e.condition_id = c.new_id
    WHERE c.new_id IS NOT NULL GROUP BY c.new_id
    """,
    """
    INSERT INTO registry.condition_registry BY NAME
    SELECT c.new_id AS condition_id,
        (SELECT coalesce(max(b.revision), 0) + 1 FROM registry.condition_registry b WHERE b.condition_id = c.new_id)
            AS revision,
        c.canonical, c.text, c.exchange, c.symbol, c.timeframe, c.group_key, c.definition_versions, c.packed,
        w.begins AS active_from, c.registered_at AS created_at
    FROM changes c JOIN wanted w USING (new_id) WHERE NOT w.is_known
    QUALIFY row_number() OVER (PARTITION BY c.new_id ORDER BY c.registered_at, c.condition_id) = 1
    """,
    """
    INSERT INTO registry.condition_activity BY NAME
    SELECT * EXCLUDE (upgrade, now), now AS created_at FROM this, (
        SELECT new_id AS condition_id, begins AS active_from,
            CASE WHEN is_retired THEN begins WHEN ends IS NOT NULL THEN greatest(begins, ends) END AS active_until
        FROM wanted WHERE NOT is_known
        UNION ALL
        SELECT w.new_id, CASE WHEN w.begins <= s.active_until THEN s.active_from ELSE w.begins END, w.ends
        FROM wanted w JOIN spans s ON s.condition_id = w.new_id ANTI JOIN states u ON u.condition_id = w.new_id
        WHERE w.is_known AND s.active_until IS NOT NULL AND (w.ends IS NULL OR w.ends > s.active_until)
        UNION ALL
        SELECT c.condition_id, s.active_from, greatest(s.active_from, coalesce(o.mark, s.active_from)) AS judged_until
        FROM changes c JOIN spans s USING (condition_id) LEFT JOIN marks o ON o.group_key = c.old_group
        WHERE s.active_until IS NULL OR s.active_until > judged_until
    )
    """,
    """
    INSERT INTO registry.unjudged_conditions BY NAME
    SELECT * EXCLUDE (upgrade, now), now AS created_at FROM this, (
        SELECT new_id AS condition_id, 'retired' AS state, why AS reason, since
        FROM wanted WHERE is_retired AND NOT is_known
        UNION ALL
        SELECT condition_id, 'err', reason, now FROM this, changes ANTI JOIN states USING (condition_id)
        WHERE new_id IS NULL
    )
    """,
    # Of a bot that has subscribed to several of the conditions that become one, what it asked for last counts.
    """
    INSERT INTO registry.user_condition_subscriptions BY NAME
    WITH ended AS (
        SELECT * EXCLUDE (new_id, is_old, config_change, revision, change, state, moved_to, created_at),
            revision + 1 AS revision, row_number() OVER (ORDER BY change) AS change, 'ended' AS state,
            new_id AS moved_to
        FROM joining WHERE is_old AND state <> 'ended'
    ), joined AS (
        SELECT * EXCLUDE (state, active_from, revision),
            CASE WHEN bool_or(state = 'active') OVER bot THEN 'active' ELSE state END AS state,
            coalesce(min(active_from) FILTER (state = 'active') OVER bot, active_from) AS active_from,
            max(revision) OVER bot + 1 AS revision,
            bool_or(is_old AND state <> 'ended') OVER bot AS moves
        FROM joining
        WINDOW bot AS (PARTITION BY user_id, bot_id, new_id)
        QUALIFY row_number() OVER (
            PARTITION BY user_id, bot_id, new_id ORDER BY joining.state <> 'ended' DESC, subscribed_at DESC, change DESC
        ) = 1
    ), moved AS (
        SELECT j.* EXCLUDE (new_id, is_old, config_change, moves, change, condition_id, moved_to, created_at),
            j.new_id AS condition_id, (SELECT count(*) FROM ended) + row_number() OVER (ORDER BY j.change) AS change,
            NULL AS moved_to, s.bot_config
        FROM joined j JOIN registry.user_condition_subscriptions s ON s.change = j.config_change WHERE moves
    )
    SELECT * EXCLUDE (upgrade, now, change), now AS created_at,
        change + (SELECT max(change) FROM registry.user_condition_subscriptions) AS change
    FROM this, (FROM ended UNION ALL BY NAME FROM moved)
    """,
    f"""
    INSERT INTO registry.upgraded_conditions BY NAME
    SELECT * EXCLUDE (now), now AS created_at FROM this, (
        SELECT condition_id, new_id AS superseded_by, reason FROM changes
        UNION ALL
        SELECT condition_id, condition_id, 'it stands for itself again' FROM {SUPERSEDED}
        WHERE condition_id IN (SELECT new_id FROM changes)
    )
    """,
)
