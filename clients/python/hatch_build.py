"""Puts the package into what is built: from the top of the repository or, in an unpacked sdist, from this folder."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "condition_hub"


class PackageHook(BuildHookInterface[Any]):
    """Includes the folder of the package, wherever it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Called by hatchling before it builds a target."""
        root = Path(self.root)
        folder = next(place for place in (root / PACKAGE, root.parents[1] / PACKAGE) if place.is_dir())
        build_data["force_include"][str(folder)] = PACKAGE
