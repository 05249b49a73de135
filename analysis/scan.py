"""The engine's history, as analysts call it: :func:`analysis.scan` and :func:`analysis.scan_each`."""

from engine.scanning import scan, scan_each

__all__ = ["scan", "scan_each"]
