-- Where an instrument's slots begin, as the text of a grid.

ALTER TABLE instruments ADD COLUMN grid VARCHAR;  -- null: UTC, Monday
