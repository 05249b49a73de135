"""The advisory locks of a hub in Postgres, held by sessions.

They need a connection of their own for as long as they are held, so a pooler in between must work by session.
"""

from registry.store.protocol import SoleWork

WRITE_LOCK, BOTS_LOCK, PUBLISH_LOCK = 0x48754201, 0x48754202, 0x48754203
"""Whoever writes to the store; makes or ends a bot; publishes triggers."""
SOLE_LOCKS: dict[SoleWork, int] = {"webhooks": 0x48754204, "bots": 0x48754205}
"""Whoever posts to webhooks, or runs the bots, for all services of the store."""
SHARD_LOCK = 0x48754220
"""Whoever lays out shards or shares them out, for the duration of a transaction."""
