"""The store of another process: both ends of the wire."""
