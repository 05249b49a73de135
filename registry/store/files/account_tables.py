"""API keys in ``registry.duckdb``, all of them in the owner's memory."""

from dataclasses import replace

from common.clock import Clock
from registry.keys import check_user
from registry.store.parts.accounts import ApiKey
from registry.store.sql import Database, last_rows, naive_time, newest_rows


class AccountTables:
    """Implements :class:`registry.store.parts.accounts.AccountStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys = self._load("registry.api_keys")

    def follow(self, keys: int | None) -> None:
        """Take up what others committed: this many rows more, or ``None`` if some were removed."""
        if keys is None:
            self._keys = self._load("registry.api_keys")
        else:
            self._keys |= self._load(last_rows("registry.api_keys", keys))

    def _load(self, table: str) -> dict[str, ApiKey]:
        rows = self._database.frame(
            f"""
            SELECT key_id, user_id, role, label, secret_sha256, epoch_ms(created_at) AS created_ms,
                epoch_ms(revoked_at) AS revoked_ms
            FROM {newest_rows(table, "key_id")} AS newest ORDER BY created_at, key_id
            """
        )
        return {row["key_id"]: ApiKey(**row) for row in rows.iter_rows(named=True)}

    def add_key(self, key: ApiKey) -> None:
        check_user(key.user_id, key.label)
        self._write(key)

    def key(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    def keys(self, user_id: str | None = None) -> list[ApiKey]:
        return [key for key in list(self._keys.values()) if user_id is None or key.user_id == user_id]

    def revoke_key(self, key_id: str, *, at_ms: int) -> bool:
        with self._database.alone():
            key = self._keys.get(key_id)
            if key is None or key.revoked_ms is not None:
                return False
            self._write(replace(key, revoked_ms=at_ms))
            return True

    def forget_user(self, user_id: str) -> int:
        with self._database.alone():
            keys = self.keys(user_id)
            if keys:
                with self._database.transaction() as transaction:
                    transaction.execute("DELETE FROM registry.api_keys WHERE user_id = ?", [user_id])
                for key in keys:
                    del self._keys[key.key_id]
            return len(keys)

    def _write(self, key: ApiKey) -> None:
        revoked = None if key.revoked_ms is None else naive_time(key.revoked_ms)
        with self._database.transaction() as transaction:
            if self._keys.get(key.key_id) == key:
                return
            transaction.insert(
                "registry.api_keys",
                {
                    "key_id": key.key_id,
                    "user_id": key.user_id,
                    "role": key.role,
                    "label": key.label,
                    "secret_sha256": key.secret_sha256,
                    "created_at": naive_time(key.created_ms),
                    "revoked_at": revoked,
                },
            )
        self._keys[key.key_id] = key
