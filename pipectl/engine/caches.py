"""Looks for what was done before in threads of their own, since files may take long to read: the loop goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, partial
from queue import Empty, SimpleQueue

from pipectl.engine.cache import Answer, Cache
from pipectl.engine.cache_key import Request
from pipectl.engine.file_digests import Stopped
from pipectl.masking import Masker
from pipectl.store.rows import Run
from pipectl.store.store import Store

_IDLE = 1.0  # seconds without work, after which what was learned is written down
_PATIENCE = 5.0  # seconds to wait for a thread at the end: a read from a dead disk does not end

_Work = Callable[[Cache], Answer]


class Caches:
    """The cache of one pipeline, asked by one loop. What attempts left never waits for what others look for.

    Without a `store` nothing was ever done. With `durable` the outputs of a success are on disk before it is kept; with
    `force` there are no hits.
    """

    def __init__(
        self,
        store: Store | None,
        pipeline: str,
        *,
        masker: Masker,
        durable: bool = True,
        force: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._open = partial(
            Cache,
            pipeline=pipeline,
            masker=masker,
            durable=durable,
            force=force,
            learns=store is not None and store.is_writable,
            now=now,
            looked={},
        )
        self._stopping = threading.Event()
        self._answers: SimpleQueue[Answer | BaseException] = SimpleQueue()
        self._readable, self._wake = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self._wake, False)
        self._looks = _Beside(self._opened, self._tell)
        self._keeps = _Beside(self._opened, self._tell)

    # In the threads beside the loop

    def look(self, instance: str, request: Request) -> None:
        """Asks whether the instance was done before."""
        self._looks.ask(lambda cache: cache.look(instance, request))

    def keep(self, instance: str, output: str | None) -> None:
        """Asks what to record of the success of an instance that was looked for, with its output as JSON text."""
        self._keeps.ask(lambda cache: cache.keep(instance, output))

    def fileno(self) -> int:
        """Readable when an answer is there."""
        return self._readable

    def done(self) -> list[Answer]:
        """The answers that came since. Raises what kept the others from coming, StateError for one."""
        with suppress(BlockingIOError):
            while os.read(self._readable, 4096):
                pass
        answers = []
        while not self._answers.empty():
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
        return answers

    def close(self) -> None:
        """Ends the threads, whatever they are at."""
        self._stopping.set()
        if "_here" in self.__dict__:
            self._here.close()
        ended = [beside.close() for beside in (self._looks, self._keeps)]
        if all(ended):  # else one may yet write to the descriptor
            os.close(self._readable)
            os.close(self._wake)

    @contextmanager
    def _opened(self) -> Iterator[Cache]:
        """The cache as the calling thread sees it."""
        store = self._store.beside() if self._store else None
        cache = self._open(store, stopped=self._stopping.is_set)
        try:
            yield cache
        finally:
            cache.close()
            if store:
                store.close()

    def _tell(self, answer: Answer | BaseException) -> None:
        self._answers.put(answer)
        with suppress(BlockingIOError):  # full: the loop will hear of it with those before
            os.write(self._wake, b"\0")

    # In the thread that calls

    def look_now(self, instance: str, request: Request) -> Answer:
        """Whether the instance was done before, and why or why not; nothing is to be kept of it."""
        answer = self._here.look(instance, request)
        self._here.forget(instance)
        return answer

    def lost(self, run: Run) -> list[str]:
        """The instances that a run did, and whose outputs are not in place any more; reads all of them."""
        return self._here.lost(run)

    @cached_property
    def _here(self) -> Cache:
        return self._open(self._store)


class _Beside:
    """A thread that does one work after the other, from the first that it is asked for on."""

    def __init__(
        self, opened: Callable[[], AbstractContextManager[Cache]], tell: Callable[[Answer | BaseException], None]
    ) -> None:
        self._opened = opened
        self._tell = tell
        self._work: SimpleQueue[_Work | None] = SimpleQueue()

    def ask(self, work: _Work) -> None:
        """Asks for a work, whose answer is told."""
        self._work.put(work)
        self._thread  # noqa: B018 - which starts it

    def close(self) -> bool:
        """Ends the thread; whether it has ended."""
        self._work.put(None)
        if "_thread" not in self.__dict__:
            return True
        self._thread.join(_PATIENCE)
        return not self._thread.is_alive()

    @cached_property
    def _thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._serve, name="cache", daemon=True)
        thread.start()
        return thread

    def _serve(self) -> None:
        try:
            with self._opened() as cache:
                while work := self._next(cache):
                    self._tell(work(cache))
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - the loop hears of it
            self._tell(error)

    def _next(self, cache: Cache) -> _Work | None:
        try:
            return self._work.get(timeout=_IDLE)
        except Empty:
            cache.flush()
            return self._work.get()
