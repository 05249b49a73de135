"""The condition language: one tree, two spellings, one canonical form."""
