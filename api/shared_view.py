"""What this process knows of a store that others write to as well, brought up to date once for each request.

A request then reads its view from memory, on the event loop, however often; and what was acknowledged anywhere before
the request came is in it. Requests that come while the store is being asked are served by one question after it.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager

from registry.store.protocol import SharedStore


class SharedView:
    """The view of one store. For use on one event loop."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "api-view")
        self._under_way: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def current(self) -> AsyncIterator[None]:
        """What others have committed before it is entered is seen in the block; of what they do meanwhile, nothing has
        to be. Raises :class:`common.errors.StoreError` if the store does not answer."""
        await self.refresh()
        with self.kept():
            yield

    async def refresh(self) -> None:
        """Take up what others have committed by now."""
        if self._following is None:
            # One that has begun may have asked before this caller came.
            self._following = asyncio.create_task(self._look(self._under_way), name="shared view")
        # One who goes away takes nothing from the others.
        await asyncio.shield(self._following)

    def kept(self) -> AbstractContextManager[None]:
        """Within the block, reads of this task ask nobody whether others have written."""
        return self._store.taken_up()

    def stop(self) -> None:
        """Ask nothing more; a question that hangs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self._under_way, self._following = self._following, None
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.take_up)
