"""Makes the workers of a cluster ready to judge when they start."""

from distributed import Worker, WorkerPlugin

from engine.warming import warm


class KernelPlugin(WorkerPlugin):
    """Loads all kernels into a worker, from numba's cache where it is filled."""

    def setup(self, worker: Worker) -> None:  # noqa: ARG002
        """Called by a worker before it takes up tasks."""
        warm(lambda _: None)
