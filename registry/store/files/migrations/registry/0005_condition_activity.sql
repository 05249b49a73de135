-- When conditions are judged: a span begins with a registration, or with a subscription after a time without any, and
-- ends a grace time after the last subscription did. A later row of the same beginning replaces the ones before it.

CREATE TABLE condition_activity (
    condition_id VARCHAR      NOT NULL,
    active_from  TIMESTAMP_MS NOT NULL,         -- candles that close later are judged ...
    active_until TIMESTAMP_MS,                  -- ... if they close by then; null: on and on
    created_at   TIMESTAMP_MS NOT NULL
);

-- Conditions from before have been judged all the time, and get a day to be subscribed to.
INSERT INTO condition_activity
SELECT
    c.condition_id,
    c.active_from,
    CASE WHEN s.condition_id IS NULL THEN greatest(c.active_from, current_timestamp::TIMESTAMP) + INTERVAL 1 DAY END,
    current_timestamp::TIMESTAMP
FROM (
    SELECT * FROM condition_registry QUALIFY row_number() OVER (PARTITION BY condition_id ORDER BY revision DESC) = 1
) c
LEFT JOIN (
    SELECT DISTINCT condition_id FROM (
        SELECT * FROM user_condition_subscriptions
        QUALIFY row_number() OVER (PARTITION BY user_id, bot_id, condition_id ORDER BY revision DESC) = 1
    ) WHERE active
) s USING (condition_id);
