"""Runs the units of a sweep or a backtest on a cluster of Dask (``distributed``, the extra ``cluster``)."""

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Protocol, runtime_checkable

RETRIES = 3
"""How often a unit begins again whose worker ended in the middle of it."""


@runtime_checkable
class Cluster(Protocol):
    """What is asked of ``distributed.Client``."""

    def get_executor(self, **kwargs: Any) -> Executor:
        """An executor whose tasks run on the cluster."""
        ...

    def ncores(self) -> Mapping[str, int]:
        """Worker -> how many tasks it runs at a time."""
        ...

    def register_plugin(self, plugin: Any, name: str | None = None) -> object:
        """Run the plugin's ``setup`` on every worker, and on those that join later."""
        ...


def executor_of(cluster: Cluster) -> Executor:
    """An executor on a cluster; each of its workers loads the kernels before it takes up a unit.

    A unit writes its files anew, so it may run a second time; equal units are not taken for one.
    """
    from analysis.backtesting.kernel_plugin import KernelPlugin

    cluster.register_plugin(KernelPlugin(), name="hub-kernels")
    return cluster.get_executor(pure=False, retries=RETRIES)
