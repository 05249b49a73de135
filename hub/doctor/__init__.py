"""What may be wrong with a hub, seen from outside: each check says how to fix what it finds. Nothing is changed."""
