"""Server-sent events: triggers as they are published, for users who subscribe to their conditions."""
