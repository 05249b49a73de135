"""Which conditions changed after a version of the registry: in memory, each once, however often it changes."""

import threading
from collections.abc import Iterable


class ChangedConditions:
    """Conditions in the order of their newest change. Written by one thread at a time, read by any."""

    def __init__(self, known_from: int) -> None:
        """``known_from`` is the version from which on changes are noted."""
        self._known_from = known_from
        self._versions: dict[str, int] = {}
        """Condition -> version of its newest change, in the order of versions."""
        self._lock = threading.Lock()

    def note(self, condition_ids: Iterable[str], version: int) -> None:
        """Note that conditions changed with a version."""
        with self._lock:
            for condition_id in condition_ids:
                self._versions.pop(condition_id, None)
                self._versions[condition_id] = version

    def after(self, version: int) -> list[str] | None:
        """The conditions that changed after a version, oldest change first; ``None`` if that is not known."""
        if version < self._known_from:
            return None
        changed = []
        with self._lock:
            for condition_id, changed_at in reversed(self._versions.items()):
                if changed_at <= version:
                    break
                changed.append(condition_id)
        return changed[::-1]
