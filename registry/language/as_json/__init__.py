"""Conditions as JSON: flat, as bots send them, and as trees."""
