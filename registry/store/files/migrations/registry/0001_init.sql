-- What is wanted, by whom, and what came of it. Times are UTC. Tables are append-only and carry no key or index:
-- a row with a higher revision replaces the ones before it, and the owner of the file keeps the lookup in memory.

CREATE TABLE condition_registry (
    condition_id        VARCHAR      NOT NULL,
    revision            INTEGER      NOT NULL,
    canonical           VARCHAR      NOT NULL,  -- the text whose hash is condition_id
    text                VARCHAR      NOT NULL,  -- the same condition as a trader reads it
    exchange            VARCHAR      NOT NULL,
    symbol              VARCHAR      NOT NULL,
    timeframe           VARCHAR      NOT NULL,
    definition_versions VARCHAR      NOT NULL,  -- rsi=1,sma=1
    active_from         TIMESTAMP_MS NOT NULL,  -- only candles that close after this can trigger it
    created_at          TIMESTAMP_MS NOT NULL
);

CREATE TABLE user_condition_subscriptions (
    user_id      VARCHAR      NOT NULL,
    bot_id       VARCHAR      NOT NULL,
    condition_id VARCHAR      NOT NULL,
    revision     INTEGER      NOT NULL,
    bot_type     VARCHAR      NOT NULL,
    bot_config   JSON         NOT NULL,         -- private to the user
    active       BOOLEAN      NOT NULL,
    active_from  TIMESTAMP_MS NOT NULL,
    created_at   TIMESTAMP_MS NOT NULL
);

CREATE TABLE condition_triggers (
    seq                 BIGINT       NOT NULL,  -- contiguous from 1; the id in the event stream
    trigger_id          VARCHAR      NOT NULL,  -- {condition_id}:{close_time in ms}
    condition_id        VARCHAR      NOT NULL,
    exchange            VARCHAR      NOT NULL,
    symbol              VARCHAR      NOT NULL,
    timeframe           VARCHAR      NOT NULL,
    open_time           TIMESTAMP_MS NOT NULL,
    close_time          TIMESTAMP_MS NOT NULL,
    price               DOUBLE       NOT NULL,  -- close of the candle
    "values"            JSON         NOT NULL,  -- operand -> value on that candle
    settled             BOOLEAN      NOT NULL,
    late                BOOLEAN      NOT NULL,
    definition_versions VARCHAR      NOT NULL,
    emitted_at          TIMESTAMP_MS NOT NULL
);

CREATE TABLE group_watermarks (
    group_key VARCHAR      NOT NULL,
    timeframe VARCHAR      NOT NULL,
    watermark TIMESTAMP_MS NOT NULL,            -- close time up to which the group has been judged
    tick_id   BIGINT       NOT NULL
);

CREATE TABLE series_anchors (
    series VARCHAR      NOT NULL,
    anchor TIMESTAMP_MS NOT NULL                -- open time of the first candle it was judged from
);

CREATE TABLE series_holes (
    series    VARCHAR      NOT NULL,
    open_time TIMESTAMP_MS NOT NULL,            -- a slot judged as missing, for good
    tick_id   BIGINT       NOT NULL
);

CREATE TABLE ticks (
    tick_id                         BIGINT       NOT NULL,
    timeframe                       VARCHAR      NOT NULL,
    close_time                      TIMESTAMP_MS NOT NULL,
    late                            BOOLEAN      NOT NULL,
    groups                          INTEGER      NOT NULL,
    holes                           INTEGER      NOT NULL,
    triggers                        INTEGER      NOT NULL,
    subscriptions                   BIGINT       NOT NULL,  -- active ones on the judged conditions
    conditions                      BIGINT       NOT NULL,  -- judged
    indicators                      BIGINT       NOT NULL,  -- computed
    series                          BIGINT       NOT NULL,  -- loaded
    isolated_indicators             BIGINT       NOT NULL,  -- what one bot a subscription would have computed
    isolated_loads                  BIGINT       NOT NULL,  -- and loaded
    equal_sharing_indicators        BIGINT       NOT NULL,  -- the same if only equal conditions were shared
    equal_sharing_loads             BIGINT       NOT NULL,
    load_us                         BIGINT       NOT NULL,
    indicators_us                   BIGINT       NOT NULL,
    judge_us                        BIGINT       NOT NULL,
    judged_at                       TIMESTAMP_MS NOT NULL
);

CREATE TABLE tick_runs (
    run_id      VARCHAR      NOT NULL,
    timeframe   VARCHAR      NOT NULL,
    tick        TIMESTAMP_MS NOT NULL,          -- close time the run advanced to
    ticks       INTEGER      NOT NULL,
    triggers    INTEGER      NOT NULL,
    prepare_us  BIGINT       NOT NULL,          -- plan and state, once a run
    record_us   BIGINT       NOT NULL,
    publish_us  BIGINT       NOT NULL,
    finished_at TIMESTAMP_MS NOT NULL
);

CREATE TABLE unit_costs (
    sample       INTEGER      NOT NULL,         -- isolated evaluations that were really done
    load_us      DOUBLE       NOT NULL,         -- mean for one candle load
    indicator_us DOUBLE       NOT NULL,         -- mean for one indicator computation
    check_us     DOUBLE       NOT NULL,         -- mean for one condition check
    measured_at  TIMESTAMP_MS NOT NULL
);
