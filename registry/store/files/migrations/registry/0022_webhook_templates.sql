-- What a webhook posts in place of the standard body: events/webhooks/posts.py. Null in a webhook of before.
ALTER TABLE webhooks ADD COLUMN name VARCHAR;       -- by which its user changes it
ALTER TABLE webhooks ADD COLUMN preset VARCHAR;     -- from which the rest was made
ALTER TABLE webhooks ADD COLUMN template VARCHAR;   -- JSON; null: the standard body
ALTER TABLE webhooks ADD COLUMN headers VARCHAR;    -- JSON, name -> template
ALTER TABLE webhooks ADD COLUMN secrets VARCHAR;    -- JSON, name -> value
