"""The libraries that we are compared with, each called in its own best way."""
