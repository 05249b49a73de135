-- The tables of a hub in Postgres: those of DuckDB's files (registry/store/files/migrations, where each column is
-- explained), with keys that Postgres guards and indexes that find what the hub asks for. Times are UTC.
-- rowid numbers the rows of a table in the order of their commits, as one process writes at a time.

CREATE SCHEMA IF NOT EXISTS candles;

-- What the statements that both databases read are made of: DuckDB's names for types and functions.
CREATE DOMAIN registry.timestamp_ms AS TIMESTAMP(3);
CREATE DOMAIN registry.uinteger AS BIGINT;

CREATE FUNCTION registry.epoch_ms(TIMESTAMP) RETURNS BIGINT LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    RETURN (extract(epoch FROM $1) * 1000)::BIGINT;

CREATE FUNCTION registry.make_timestamp_ms(BIGINT) RETURNS TIMESTAMP LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    RETURN TIMESTAMP '1970-01-01' + $1 * INTERVAL '1 millisecond';

CREATE FUNCTION registry.strlen(TEXT) RETURNS INTEGER LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    RETURN octet_length($1);

-- arg_max(value, by): the value of the row in which "by" is largest.
CREATE TYPE registry.ranked_text AS (value TEXT, rank BIGINT);
CREATE TYPE registry.ranked_integer AS (value INTEGER, rank BIGINT);

CREATE FUNCTION registry.higher(registry.ranked_text, TEXT, BIGINT) RETURNS registry.ranked_text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN $2 IS NOT NULL AND ($1.rank IS NULL OR $3 > $1.rank)
        THEN ROW($2, $3)::registry.ranked_text ELSE $1 END;
CREATE FUNCTION registry.higher(registry.ranked_integer, INTEGER, BIGINT) RETURNS registry.ranked_integer
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN $2 IS NOT NULL AND ($1.rank IS NULL OR $3 > $1.rank)
        THEN ROW($2, $3)::registry.ranked_integer ELSE $1 END;
CREATE FUNCTION registry.value_of(registry.ranked_text) RETURNS TEXT LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    RETURN $1.value;
CREATE FUNCTION registry.value_of(registry.ranked_integer) RETURNS INTEGER LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    RETURN $1.value;
CREATE AGGREGATE registry.arg_max(TEXT, BIGINT) (
    SFUNC = registry.higher, STYPE = registry.ranked_text, FINALFUNC = registry.value_of
);
CREATE AGGREGATE registry.arg_max(INTEGER, BIGINT) (
    SFUNC = registry.higher, STYPE = registry.ranked_integer, FINALFUNC = registry.value_of
);

-- Which tables have changed, by which commit, and how many rows were ever appended to them: from it each process learns
-- what others have written.
CREATE TABLE registry.changed_tables (
    name     TEXT PRIMARY KEY,
    number   BIGINT NOT NULL,        -- of the last commit that wrote to the table
    appended BIGINT NOT NULL,
    removed  BIGINT NOT NULL         -- number of the last commit that removed or changed rows
);

-- Series whose candles changed: the first and the last candle that they got; no last one where candles were removed or
-- replaced.
CREATE TABLE candles.candle_changes (
    series   TEXT   NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms  BIGINT,
    rowid    BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.condition_registry (
    condition_id        TEXT NOT NULL,
    revision            INTEGER NOT NULL,
    canonical           TEXT NOT NULL,
    text                TEXT NOT NULL,
    exchange            TEXT NOT NULL,
    symbol              TEXT NOT NULL,
    timeframe           TEXT NOT NULL,
    definition_versions TEXT NOT NULL,
    active_from         TIMESTAMP(3) NOT NULL,
    created_at          TIMESTAMP(3) NOT NULL,
    group_key           TEXT,
    registered_by       TEXT,
    packed              BYTEA,
    rowid               BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.condition_triggers (
    seq                   BIGINT NOT NULL,
    trigger_id            TEXT NOT NULL,
    condition_id          TEXT NOT NULL,
    exchange              TEXT NOT NULL,
    symbol                TEXT NOT NULL,
    timeframe             TEXT NOT NULL,
    open_time             TIMESTAMP(3) NOT NULL,
    close_time            TIMESTAMP(3) NOT NULL,
    price                 DOUBLE PRECISION NOT NULL,
    "values"              TEXT NOT NULL,
    settled               BOOLEAN NOT NULL,
    late                  BOOLEAN NOT NULL,
    definition_versions   TEXT NOT NULL,
    emitted_at            TIMESTAMP(3) NOT NULL,
    condition_key         BIGINT,
    rowid                 BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.group_watermarks (
    group_key TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    watermark TIMESTAMP(3) NOT NULL,
    tick_id   BIGINT NOT NULL,
    rowid     BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.series_anchors (
    series     TEXT NOT NULL,
    anchor     TIMESTAMP(3) NOT NULL,
    built_from TEXT,
    rebase     INTEGER,
    created_at TIMESTAMP(3),
    grid       TEXT,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.series_holes (
    series    TEXT NOT NULL,
    open_time TIMESTAMP(3) NOT NULL,
    tick_id   BIGINT NOT NULL,
    rowid     BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.ticks (
    tick_id                  BIGINT NOT NULL,
    timeframe                TEXT NOT NULL,
    close_time               TIMESTAMP(3) NOT NULL,
    late                     BOOLEAN NOT NULL,
    groups                   INTEGER NOT NULL,
    holes                    INTEGER NOT NULL,
    triggers                 INTEGER NOT NULL,
    subscriptions            BIGINT NOT NULL,
    conditions               BIGINT NOT NULL,
    indicators               BIGINT NOT NULL,
    series                   BIGINT NOT NULL,
    isolated_indicators      BIGINT NOT NULL,
    isolated_loads           BIGINT NOT NULL,
    equal_sharing_indicators BIGINT NOT NULL,
    equal_sharing_loads      BIGINT NOT NULL,
    load_us                  BIGINT NOT NULL,
    indicators_us            BIGINT NOT NULL,
    judge_us                 BIGINT NOT NULL,
    judged_at                TIMESTAMP(3) NOT NULL,
    token                    TEXT,
    first_seq                BIGINT,
    last_seq                 BIGINT,
    zones_version            TEXT,
    rowid                    BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.tick_runs (
    run_id          TEXT NOT NULL,
    timeframe       TEXT NOT NULL,
    tick            TIMESTAMP(3) NOT NULL,
    ticks           INTEGER NOT NULL,
    triggers        INTEGER NOT NULL,
    prepare_us      BIGINT NOT NULL,
    record_us       BIGINT NOT NULL,
    publish_us      BIGINT NOT NULL,
    finished_at     TIMESTAMP(3) NOT NULL,
    number          BIGINT,
    plan_conditions BIGINT,
    plan_indicators BIGINT,
    plan_series     BIGINT,
    rowid           BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.unit_costs (
    sample       INTEGER NOT NULL,
    load_us      DOUBLE PRECISION NOT NULL,
    indicator_us DOUBLE PRECISION NOT NULL,
    check_us     DOUBLE PRECISION NOT NULL,
    measured_at  TIMESTAMP(3) NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.rebase_watermarks (
    rebase    INTEGER NOT NULL,
    group_key TEXT NOT NULL,
    watermark TIMESTAMP(3) NOT NULL,
    rowid     BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.condition_activity (
    condition_id TEXT NOT NULL,
    active_from  TIMESTAMP(3) NOT NULL,
    active_until TIMESTAMP(3),
    created_at   TIMESTAMP(3) NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.condition_evaluation_cache (
    checkpoint_id BIGINT NOT NULL,
    series        TEXT NOT NULL,
    indicator     TEXT NOT NULL,
    anchor_ms     BIGINT NOT NULL,
    open_ms       BIGINT NOT NULL,
    candles       BIGINT NOT NULL,
    state         BYTEA NOT NULL,
    saved_at      TIMESTAMP(3) NOT NULL,
    owner         TEXT,
    rebase        INTEGER,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.user_condition_subscriptions (
    user_id       TEXT NOT NULL,
    bot_id        TEXT NOT NULL,
    condition_id  TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    change        BIGINT NOT NULL,
    state         TEXT NOT NULL,
    bot_type      TEXT NOT NULL,
    bot_config    TEXT,
    content       NUMERIC(20),
    active_from   TIMESTAMP(3) NOT NULL,
    subscribed_at TIMESTAMP(3) NOT NULL,
    cooldown_s    INTEGER NOT NULL,
    max_fires     INTEGER,
    expires_ms    BIGINT,
    max_lag_s     INTEGER,
    settled_only  BOOLEAN NOT NULL,
    fire_if_true  BOOLEAN NOT NULL,
    while_true    BOOLEAN NOT NULL,
    created_at    TIMESTAMP(3) NOT NULL,
    moved_to      TEXT,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.condition_state (
    condition_id    TEXT NOT NULL,
    triggers        BIGINT NOT NULL,
    last_close_time TIMESTAMP(3) NOT NULL,
    last_seq        BIGINT NOT NULL,
    rowid           BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.seq_gaps (
    first_seq  BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.adopted_triggers (
    trigger_id TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.api_keys (
    key_id        TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    role          TEXT NOT NULL,
    label         TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    created_at    TIMESTAMP(3) NOT NULL,
    revoked_at    TIMESTAMP(3),
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.webhooks (
    webhook_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    bot_id     TEXT,
    state      TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    from_seq   BIGINT NOT NULL,
    revision   INTEGER NOT NULL,
    changed_at TIMESTAMP(3) NOT NULL,
    name       TEXT,
    preset     TEXT,
    template   TEXT,
    headers    TEXT,
    secrets    TEXT,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.tried_conditions (
    series TEXT   NOT NULL,
    digest BIGINT NOT NULL,
    rowid  BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.delivery_cursors (
    name       TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.store_identity (
    identity TEXT,
    rowid    BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.event_log_readings (
    read_at       TIMESTAMP(3) NOT NULL,
    stored_seq    BIGINT NOT NULL,
    published_seq BIGINT NOT NULL,
    events        BIGINT NOT NULL,
    bytes         BIGINT NOT NULL,
    lags          TEXT NOT NULL,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.unjudged_conditions (
    condition_id TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    since        TIMESTAMP(3) NOT NULL,
    created_at   TIMESTAMP(3) NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.upgrades (
    upgrade     INTEGER NOT NULL,
    definitions TEXT NOT NULL,
    created_at  TIMESTAMP(3) NOT NULL,
    rowid       BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.upgraded_conditions (
    condition_id  TEXT NOT NULL,
    superseded_by TEXT,
    reason        TEXT NOT NULL,
    upgrade       INTEGER NOT NULL,
    created_at    TIMESTAMP(3) NOT NULL,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.announced_upgrades (
    upgrade    INTEGER NOT NULL,
    seq        BIGINT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.zone_rules (
    zone          TEXT NOT NULL,
    zones_version TEXT NOT NULL,
    offsets       TEXT NOT NULL,
    created_at    TIMESTAMP(3) NOT NULL,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.failed_runs (
    run_id     TEXT NOT NULL,
    deployment TEXT NOT NULL,
    state      TEXT NOT NULL,
    message    TEXT NOT NULL,
    failed_at  TIMESTAMP(3) NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.recovered_deployments (
    deployment   TEXT NOT NULL,
    recovered_at TIMESTAMP(3) NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.audits (
    run_id       TEXT NOT NULL,
    since        TIMESTAMP(3) NOT NULL,
    until        TIMESTAMP(3) NOT NULL,
    conditions   BIGINT NOT NULL,
    groups       BIGINT NOT NULL,
    triggers     BIGINT NOT NULL,
    differences  BIGINT NOT NULL,
    revised      BIGINT NOT NULL,
    unreadable   BIGINT NOT NULL,
    unverifiable BIGINT NOT NULL,
    examples     TEXT[] NOT NULL,
    audited_at   TIMESTAMP(3) NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bots (
    number      BIGINT NOT NULL,
    user_id     TEXT NOT NULL,
    bot_id      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    account     TEXT NOT NULL,
    instruments TEXT[] NOT NULL,
    conditions  TEXT NOT NULL,
    bot_config  TEXT,
    life        TEXT NOT NULL,
    created_at  TIMESTAMP(3) NOT NULL,
    change      BIGINT NOT NULL,
    rowid       BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_commands (
    command_number BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    command        TEXT NOT NULL,
    given_at       TIMESTAMP(3) NOT NULL,
    rowid          BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_states (
    number     BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    status     TEXT NOT NULL,
    candle_at  TIMESTAMP(3) NOT NULL,
    price      TEXT NOT NULL,
    base       TEXT NOT NULL,
    quote      TEXT NOT NULL,
    fees       TEXT NOT NULL,
    deals      BIGINT NOT NULL,
    orders     BIGINT NOT NULL,
    error      TEXT,
    command    BIGINT NOT NULL,
    state      TEXT NOT NULL,
    account    TEXT,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_orders (
    entry      BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    placed_at  TIMESTAMP(3) NOT NULL,
    client_id  TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    side       TEXT NOT NULL,
    quantity   TEXT NOT NULL,
    price      TEXT,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_fills (
    entry      BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    filled_at  TIMESTAMP(3) NOT NULL,
    fill_id    TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    side       TEXT NOT NULL,
    price      TEXT NOT NULL,
    quantity   TEXT NOT NULL,
    fee_quote  TEXT NOT NULL,
    fee_base   TEXT NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_deals (
    entry          BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    instrument     TEXT NOT NULL,
    deal           BIGINT NOT NULL,
    direction      TEXT NOT NULL,
    condition_id   TEXT,
    opened_at      TIMESTAMP(3),
    closed_at      TIMESTAMP(3) NOT NULL,
    reason         TEXT,
    entry_quantity TEXT,
    entry_quote    TEXT,
    exit_quantity  TEXT,
    exit_quote     TEXT,
    profit         TEXT NOT NULL,
    rowid          BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_actions (
    entry        BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    instrument   TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    closed_at    TIMESTAMP(3) NOT NULL,
    role         TEXT NOT NULL,
    price        TEXT NOT NULL,
    orders       BIGINT NOT NULL,
    rowid        BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.bot_notes (
    entry      BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    noted_at   TIMESTAMP(3) NOT NULL,
    text       TEXT NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.tick_totals (
    hour                     TIMESTAMP(3) NOT NULL,
    candle_day               TIMESTAMP(3) NOT NULL,
    timeframe                TEXT NOT NULL,
    last_number              BIGINT NOT NULL,
    ticks                    BIGINT NOT NULL,
    late                     BIGINT NOT NULL,
    groups                   BIGINT NOT NULL,
    holes                    BIGINT NOT NULL,
    triggers                 BIGINT NOT NULL,
    subscriptions            BIGINT NOT NULL,
    conditions               BIGINT NOT NULL,
    indicators               BIGINT NOT NULL,
    series                   BIGINT NOT NULL,
    isolated_indicators      BIGINT NOT NULL,
    isolated_loads           BIGINT NOT NULL,
    equal_sharing_indicators BIGINT NOT NULL,
    equal_sharing_loads      BIGINT NOT NULL,
    load_us                  BIGINT NOT NULL,
    indicators_us            BIGINT NOT NULL,
    judge_us                 BIGINT NOT NULL,
    rowid                    BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.run_totals (
    hour        TIMESTAMP(3) NOT NULL,
    candle_day  TIMESTAMP(3) NOT NULL,
    timeframe   TEXT NOT NULL,
    last_number BIGINT NOT NULL,
    runs        BIGINT NOT NULL,
    prepare_us  BIGINT NOT NULL,
    record_us   BIGINT NOT NULL,
    publish_us  BIGINT NOT NULL,
    rowid       BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE registry.registry_sizes (
    noted_at      TIMESTAMP(3) NOT NULL,
    conditions    BIGINT NOT NULL,
    subscribed    BIGINT NOT NULL,
    subscriptions BIGINT NOT NULL,
    users         BIGINT NOT NULL,
    bots          BIGINT NOT NULL,
    rowid         BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE candles.instruments (
    exchange        TEXT NOT NULL,
    symbol          TEXT NOT NULL,
    calendar        TEXT NOT NULL,
    created_at      TIMESTAMP(3) NOT NULL,
    aliases         TEXT[],
    tick_size       DOUBLE PRECISION,
    lot_size        DOUBLE PRECISION,
    first_open_time TIMESTAMP(3),
    grid            TEXT,
    base            TEXT,
    quote           TEXT,
    rowid           BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE candles.series (
    series_id INTEGER NOT NULL,
    series    TEXT NOT NULL,
    exchange  TEXT NOT NULL,
    symbol    TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    rowid     BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE candles.candles (
    series_id INTEGER NOT NULL,
    open_time TIMESTAMP(3) NOT NULL,
    open      DOUBLE PRECISION NOT NULL,
    high      DOUBLE PRECISION NOT NULL,
    low       DOUBLE PRECISION NOT NULL,
    close     DOUBLE PRECISION NOT NULL,
    volume    DOUBLE PRECISION NOT NULL,
    filled    BOOLEAN,
    widened   BOOLEAN
);

CREATE TABLE candles.candle_revisions (
    series_id  INTEGER NOT NULL,
    open_time  TIMESTAMP(3) NOT NULL,
    open       DOUBLE PRECISION NOT NULL,
    high       DOUBLE PRECISION NOT NULL,
    low        DOUBLE PRECISION NOT NULL,
    close      DOUBLE PRECISION NOT NULL,
    volume     DOUBLE PRECISION NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    filled     BOOLEAN,
    widened    BOOLEAN,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE candles.candle_quarantine (
    exchange   TEXT,
    symbol     TEXT,
    timeframe  TEXT,
    open_time  TIMESTAMP(3),
    open       DOUBLE PRECISION,
    high       DOUBLE PRECISION,
    low        DOUBLE PRECISION,
    close      DOUBLE PRECISION,
    volume     DOUBLE PRECISION,
    reason     TEXT NOT NULL,
    source     TEXT NOT NULL,
    line       BIGINT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    rowid      BIGINT GENERATED ALWAYS AS IDENTITY
);

CREATE TABLE candles.candle_superseded (
    series_id INTEGER NOT NULL,
    open_time TIMESTAMP(3) NOT NULL,
    open      DOUBLE PRECISION,
    high      DOUBLE PRECISION,
    low       DOUBLE PRECISION,
    close     DOUBLE PRECISION,
    volume    DOUBLE PRECISION,
    rebase    INTEGER NOT NULL,
    rowid     BIGINT GENERATED ALWAYS AS IDENTITY
);

INSERT INTO registry.store_identity (identity) VALUES (gen_random_uuid()::TEXT);

-- Each number once, each name once: a second process that wrote at the same time would be refused.
ALTER TABLE registry.condition_triggers ADD PRIMARY KEY (seq);
CREATE UNIQUE INDEX ON registry.condition_triggers (trigger_id);
CREATE INDEX ON registry.condition_triggers (condition_id, seq);
ALTER TABLE registry.ticks ADD PRIMARY KEY (tick_id);
CREATE UNIQUE INDEX ON registry.condition_registry (condition_id, revision);
CREATE UNIQUE INDEX ON registry.user_condition_subscriptions (change);
CREATE INDEX ON registry.user_condition_subscriptions (user_id);
CREATE UNIQUE INDEX ON registry.tick_runs (number);
CREATE INDEX ON registry.group_watermarks (group_key);
CREATE INDEX ON registry.bots (number);
CREATE INDEX ON registry.bot_states (number, instrument);
CREATE UNIQUE INDEX ON registry.bot_orders (number, entry);
CREATE UNIQUE INDEX ON registry.bot_fills (number, entry);
CREATE UNIQUE INDEX ON registry.bot_deals (number, entry);
CREATE UNIQUE INDEX ON registry.bot_actions (number, entry);
CREATE UNIQUE INDEX ON registry.bot_notes (number, entry);
CREATE INDEX ON registry.condition_evaluation_cache (series);
CREATE INDEX ON registry.series_holes (series);
ALTER TABLE candles.candles ADD PRIMARY KEY (series_id, open_time);
CREATE INDEX ON candles.candles (open_time);
ALTER TABLE candles.series ADD PRIMARY KEY (series_id);
CREATE UNIQUE INDEX ON candles.series (series);
CREATE UNIQUE INDEX ON candles.instruments (exchange, symbol);
CREATE INDEX ON candles.candle_revisions (series_id, open_time);

-- The last rows of a table are what a process has not seen yet.
CREATE INDEX ON registry.condition_registry (rowid);
CREATE INDEX ON registry.condition_activity (rowid);
CREATE INDEX ON registry.user_condition_subscriptions (rowid);
CREATE INDEX ON registry.unjudged_conditions (rowid);
CREATE INDEX ON registry.condition_triggers (rowid);
CREATE INDEX ON registry.group_watermarks (rowid);
CREATE INDEX ON registry.ticks (rowid);
CREATE INDEX ON registry.tick_runs (rowid);
CREATE INDEX ON registry.series_anchors (rowid);
CREATE INDEX ON registry.api_keys (rowid);
CREATE INDEX ON registry.webhooks (rowid);
CREATE INDEX ON registry.delivery_cursors (rowid);
CREATE INDEX ON registry.bots (rowid);
CREATE INDEX ON registry.bot_states (rowid);
CREATE INDEX ON candles.candle_changes (rowid);
