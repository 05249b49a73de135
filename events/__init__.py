"""Redis: the event log, who publishes to it and who reads it, deliveries, and the server that is bundled."""
