"""Unit tests of conditions in YAML: values in, expected bars out. ``docs/rule-tests.md`` describes the files."""
