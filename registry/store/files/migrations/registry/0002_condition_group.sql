-- The series that a condition reads, its base first: conditions with the same ones share a watermark.

ALTER TABLE condition_registry ADD COLUMN group_key VARCHAR;

-- Conditions from before could read their base series alone.
UPDATE condition_registry SET group_key = exchange || ':' || symbol || ' ' || timeframe;
