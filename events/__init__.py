"""Redis: the event log, who publishes to it, and the server that is bundled."""
