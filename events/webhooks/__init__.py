"""Triggers posted to addresses of users, signed."""
