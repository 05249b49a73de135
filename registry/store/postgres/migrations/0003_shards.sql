-- Which shard has which bucket of instruments (registry/shards.py), and which worker has which shard. Only a store that
-- several machines share has these; nobody keeps them in memory.

CREATE TABLE registry.shard_layouts (
    layout    INTEGER PRIMARY KEY,
    from_tick TIMESTAMP(3) NOT NULL UNIQUE,   -- the close time from which on it counts
    shards    INTEGER NOT NULL,
    shard_of  BYTEA NOT NULL,                 -- a byte for each bucket: its shard
    made_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE registry.tick_workers (
    worker      TEXT PRIMARY KEY,
    there_until TIMESTAMPTZ NOT NULL
);

-- A row outlives its worker: whoever takes the shard then knows that the worker was not able to give it back.
CREATE TABLE registry.shard_leases (
    shard  INTEGER PRIMARY KEY,
    worker TEXT NOT NULL
);
