"""What deploying did to a Prefect server."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Change:
    """Something on the server, and what was done about it."""

    kind: Literal["pool", "deployment", "automation", "artifact", "shards"]
    name: str
    done: Literal["created", "changed", "unchanged", "removed"]
