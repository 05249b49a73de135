"""The runtime of one flow run: that of the warm worker, or, in a process of its own, one that is opened for it."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from common.settings import load_settings
from flows.runtime import Runtime, current_runtime, open_runtime


@asynccontextmanager
async def runtime_for_run() -> AsyncIterator[Runtime]:
    """What a flow run works with. It computes the same in both cases; a cold process only takes longer.

    A cold process also fetches candles as the worker does, unless the settings leave the ingest out.
    """
    try:
        warm = current_runtime()
    except LookupError:
        pass
    else:
        yield warm
        return
    settings = load_settings()
    with ExitStack() as stack:
        runtime = stack.enter_context(open_runtime(settings))
        if "ingest" not in settings.without:
            # With it comes a library of all exchanges, which takes seconds to load.
            from flows.ingest import Ingest

            runtime.ingest = stack.enter_context(Ingest(runtime.store, runtime.clock, settings))
        yield runtime
