"""Conditions as code: a YAML file says what a user wants of the hub, and the hub is made so."""
