"""The store in DuckDB files that this process owns."""
