"""The libraries to compare with, each called in its own best way."""
