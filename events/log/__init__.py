"""The event log: what is appended to the stream, how it gets there, and how it is followed."""
