"""Conditions as text: grammar, reading, writing."""
