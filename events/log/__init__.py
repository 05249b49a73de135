"""The event log: what is appended to the stream, how, and who follows it."""
