-- Who registered a condition first: counted towards a daily quota, and shown to nobody.

ALTER TABLE condition_registry ADD COLUMN registered_by VARCHAR;  -- null: before this, or by the operator's own tools
