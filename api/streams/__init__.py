"""Server-sent events: what fired, as it is published, to those who subscribe."""
