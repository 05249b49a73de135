-- Subscriptions carry a delivery policy and a state, and are numbered over all of them in the order of their changes.

ALTER TABLE user_condition_subscriptions RENAME TO subscriptions_before;

CREATE TABLE user_condition_subscriptions (
    user_id       VARCHAR      NOT NULL,
    bot_id        VARCHAR      NOT NULL,
    condition_id  VARCHAR      NOT NULL,
    revision      INTEGER      NOT NULL,
    change        BIGINT       NOT NULL,        -- grows over all subscriptions
    state         VARCHAR      NOT NULL,        -- active, paused, ended
    bot_type      VARCHAR      NOT NULL,
    bot_config    JSON,                         -- private to the user; null: that of the revision before
    content       UBIGINT,                      -- digest of what was asked for, to know a repeated request
    active_from   TIMESTAMP_MS NOT NULL,        -- only triggers that close after this are delivered
    subscribed_at TIMESTAMP_MS NOT NULL,        -- when it was asked for, anew after it had ended
    cooldown_s    INTEGER      NOT NULL,
    max_fires     INTEGER,
    expires_ms    BIGINT,
    max_lag_s     INTEGER,
    settled_only  BOOLEAN      NOT NULL,
    fire_if_true  BOOLEAN      NOT NULL,
    while_true    BOOLEAN      NOT NULL,
    created_at    TIMESTAMP_MS NOT NULL         -- of this revision
);

-- Those from before last a year from here on: nobody could say how long they should.
INSERT INTO user_condition_subscriptions
SELECT
    user_id, bot_id, condition_id, revision, row_number() OVER (ORDER BY rowid),
    CASE WHEN active THEN 'active' ELSE 'ended' END,
    bot_type, bot_config, NULL, active_from, created_at,
    0, NULL, epoch_ms(greatest(active_from, current_timestamp::TIMESTAMP) + INTERVAL 365 DAY), NULL, false, false, false,
    created_at
FROM subscriptions_before ORDER BY rowid;

DROP TABLE subscriptions_before;
