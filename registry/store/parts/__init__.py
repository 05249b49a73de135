"""The seams of the store, each with its records. Times are milliseconds since the epoch, UTC."""
