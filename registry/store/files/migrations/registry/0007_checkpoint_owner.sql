-- Whose a checkpoint is, and which rebase it knows. Those from before are dropped: a cache may lose what it has.

DELETE FROM condition_evaluation_cache;
ALTER TABLE condition_evaluation_cache ADD COLUMN owner VARCHAR;   -- the timeframe and shard that saved it
ALTER TABLE condition_evaluation_cache ADD COLUMN rebase INTEGER;  -- the last one when its candles were read
