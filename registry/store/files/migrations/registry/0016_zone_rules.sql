-- The zone rules by which time windows are judged. An upgrade of them that changes the past is refused.

ALTER TABLE ticks ADD COLUMN zones_version VARCHAR;  -- release of the rules; null: before this

CREATE TABLE zone_rules (
    zone VARCHAR NOT NULL,
    zones_version VARCHAR NOT NULL,
    offsets VARCHAR NOT NULL,  -- "0:-18000000 9961200000:-14400000": from when on (epoch ms), how far from UTC (ms)
    created_at TIMESTAMP NOT NULL
);
