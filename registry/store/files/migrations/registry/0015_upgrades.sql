-- What upgrades of the hub made of conditions: another version of a formula or of the language gives them another id.

CREATE TABLE upgrades (
    upgrade     INTEGER      NOT NULL,
    definitions VARCHAR      NOT NULL,          -- digest of what ids depend on; the newest row has looked at all conditions
    created_at  TIMESTAMP_MS NOT NULL
);

-- The newest row of a condition counts.
CREATE TABLE upgraded_conditions (
    condition_id  VARCHAR      NOT NULL,
    superseded_by VARCHAR,                      -- null: it cannot be read any more; itself: it stands for itself again
    reason        VARCHAR      NOT NULL,
    upgrade       INTEGER      NOT NULL,
    created_at    TIMESTAMP_MS NOT NULL
);

-- Where in the sequence of triggers owners are told of an upgrade: no trigger has that number.
CREATE TABLE announced_upgrades (
    upgrade    INTEGER      NOT NULL,
    seq        BIGINT       NOT NULL,
    created_at TIMESTAMP_MS NOT NULL
);

ALTER TABLE user_condition_subscriptions ADD COLUMN moved_to VARCHAR;  -- ended by an upgrade: it goes on with this one
