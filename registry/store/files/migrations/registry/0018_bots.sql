-- Bots that the hub itself runs: their configurations, what they were told, how they stand, and what they did.

CREATE TABLE bots (
    number       BIGINT       NOT NULL,         -- of the bot; a bot that is made again after its end has another one
    user_id      VARCHAR      NOT NULL,
    bot_id       VARCHAR      NOT NULL,
    kind         VARCHAR      NOT NULL,         -- "dca", "grid", "trend", "market_making"
    account      VARCHAR      NOT NULL,         -- "paper", or the name of an account of the settings
    instruments  VARCHAR[]    NOT NULL,         -- "BINANCE:BTCUSDT"
    conditions   VARCHAR      NOT NULL,         -- JSON: instrument, condition and role of each
    bot_config   VARCHAR,                       -- JSON, private; NULL once its user is forgotten
    life         VARCHAR      NOT NULL,         -- "making", "active", "ended"
    created_at   TIMESTAMP_MS NOT NULL,
    change       BIGINT       NOT NULL          -- the newest row of a number counts
);

CREATE TABLE bot_commands (
    command_number BIGINT       NOT NULL,
    number         BIGINT       NOT NULL,
    command        VARCHAR      NOT NULL,       -- "pause", "resume", "stop", "kill"
    given_at       TIMESTAMP_MS NOT NULL
);

CREATE TABLE bot_states (                       -- the newest revision of a bot's machine in a market counts
    number     BIGINT       NOT NULL,
    instrument VARCHAR      NOT NULL,
    revision   BIGINT       NOT NULL,
    status     VARCHAR      NOT NULL,
    candle_at  TIMESTAMP_MS NOT NULL,           -- close of the last candle that it has seen
    price      VARCHAR      NOT NULL,           -- decimals as text, here and below
    base       VARCHAR      NOT NULL,
    quote      VARCHAR      NOT NULL,
    fees       VARCHAR      NOT NULL,
    deals      BIGINT       NOT NULL,
    orders     BIGINT       NOT NULL,           -- at the broker
    error      VARCHAR,
    command    BIGINT       NOT NULL,           -- the last command that was carried out
    state      VARCHAR      NOT NULL,           -- JSON of the machine's state
    account    VARCHAR                          -- JSON of the paper account, if it has one
);

CREATE TABLE bot_orders (
    entry      BIGINT       NOT NULL,           -- numbers what all bots did, in one sequence
    number     BIGINT       NOT NULL,
    instrument VARCHAR      NOT NULL,
    placed_at  TIMESTAMP_MS NOT NULL,
    client_id  VARCHAR      NOT NULL,
    purpose    VARCHAR      NOT NULL,
    side       VARCHAR      NOT NULL,
    quantity   VARCHAR      NOT NULL,
    price      VARCHAR                          -- NULL: at market
);

CREATE TABLE bot_fills (
    entry      BIGINT       NOT NULL,
    number     BIGINT       NOT NULL,
    instrument VARCHAR      NOT NULL,
    filled_at  TIMESTAMP_MS NOT NULL,
    fill_id    VARCHAR      NOT NULL,
    client_id  VARCHAR      NOT NULL,
    purpose    VARCHAR      NOT NULL,
    side       VARCHAR      NOT NULL,
    price      VARCHAR      NOT NULL,
    quantity   VARCHAR      NOT NULL,
    fee_quote  VARCHAR      NOT NULL,
    fee_base   VARCHAR      NOT NULL
);

CREATE TABLE bot_deals (
    entry          BIGINT       NOT NULL,
    number         BIGINT       NOT NULL,
    instrument     VARCHAR      NOT NULL,
    deal           BIGINT       NOT NULL,       -- 1 for the first in this market
    direction      VARCHAR      NOT NULL,
    condition_id   VARCHAR,
    opened_at      TIMESTAMP_MS,
    closed_at      TIMESTAMP_MS NOT NULL,
    reason         VARCHAR,
    entry_quantity VARCHAR,
    entry_quote    VARCHAR,
    exit_quantity  VARCHAR,
    exit_quote     VARCHAR,
    profit         VARCHAR      NOT NULL
);

CREATE TABLE bot_actions (                      -- triggers that a bot acted on
    entry        BIGINT       NOT NULL,
    number       BIGINT       NOT NULL,
    instrument   VARCHAR      NOT NULL,
    condition_id VARCHAR      NOT NULL,
    closed_at    TIMESTAMP_MS NOT NULL,         -- of the trigger's candle
    role         VARCHAR      NOT NULL,
    price        VARCHAR      NOT NULL,
    orders       BIGINT       NOT NULL          -- that it placed at once because of it
);

CREATE TABLE bot_notes (
    entry      BIGINT       NOT NULL,
    number     BIGINT       NOT NULL,
    instrument VARCHAR      NOT NULL,
    noted_at   TIMESTAMP_MS NOT NULL,
    text       VARCHAR      NOT NULL
);
