"""Options of the charts: pure functions from frames."""
