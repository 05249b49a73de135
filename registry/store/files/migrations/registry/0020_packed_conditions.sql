-- The trees of a condition, so that a start need not read its text: registry/language/packed.py.
-- Null until an upgrade of the hub packs it; the text is what counts.
ALTER TABLE condition_registry ADD COLUMN packed BLOB;
