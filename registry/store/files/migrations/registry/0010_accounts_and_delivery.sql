-- Keys of the API, users' webhooks, and how far readers of triggers have come. The newest row of a name counts.

CREATE TABLE api_keys (
    key_id        VARCHAR      NOT NULL,
    user_id       VARCHAR      NOT NULL,
    role          VARCHAR      NOT NULL,        -- user, operator
    label         VARCHAR      NOT NULL,
    secret_sha256 VARCHAR      NOT NULL,
    created_at    TIMESTAMP_MS NOT NULL,
    revoked_at    TIMESTAMP_MS
);

CREATE TABLE webhooks (
    webhook_id VARCHAR      NOT NULL,
    user_id    VARCHAR      NOT NULL,
    url        VARCHAR      NOT NULL,
    secret     VARCHAR      NOT NULL,           -- signs deliveries
    bot_id     VARCHAR,                         -- null: all bots of the user
    state      VARCHAR      NOT NULL,           -- active, paused, ended
    created_at TIMESTAMP_MS NOT NULL,
    from_seq   BIGINT       NOT NULL,
    revision   INTEGER      NOT NULL,
    changed_at TIMESTAMP_MS NOT NULL            -- when this revision was made
);

CREATE TABLE delivery_cursors (
    name       VARCHAR      NOT NULL,           -- of the reader
    seq        BIGINT       NOT NULL,           -- the last trigger that it has applied
    created_at TIMESTAMP_MS NOT NULL
);
