-- What is traded for what, where the list of an exchange says it: letters alone may be split in two ways.

ALTER TABLE instruments ADD COLUMN base VARCHAR;   -- null: not known
ALTER TABLE instruments ADD COLUMN quote VARCHAR;  -- null: not known, or there is none
