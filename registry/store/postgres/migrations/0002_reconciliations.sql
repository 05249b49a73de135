-- Which copies of this database were brought together with the event log: a copy that took its place (a standby that was
-- promoted, a backup) may lack triggers that the log has.
CREATE TABLE registry.reconciliations (
    generation    INTEGER PRIMARY KEY,  -- counts the copies; whoever publishes triggers names it to the log
    incarnation   TEXT NOT NULL,        -- of the database: its cluster, its timeline, and its number there
    reconciled_at TIMESTAMP(3) NOT NULL
);

-- What processes remembered of the database before a copy took its place, and did not find there.
CREATE TABLE registry.missing_registrations (
    user_id      TEXT NOT NULL,         -- '' for a condition
    bot_id       TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    revision     INTEGER NOT NULL,      -- of the subscription; 0 for a condition
    noticed_at   TIMESTAMP(3) NOT NULL,
    PRIMARY KEY (user_id, bot_id, condition_id)
);
CREATE TABLE registry.numbers_seen (
    last_seq   BIGINT NOT NULL,         -- of the newest trigger
    noticed_at TIMESTAMP(3) NOT NULL
);
