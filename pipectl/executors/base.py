"""The seam between a run and whatever executes its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipectl.model import Job, Outcome


class Executor(Protocol):
    """Runs attempts; belongs to one thread."""

    def start(self, job: Job) -> str | None:
        """Begins the attempt; that it cannot be started is an Outcome too.

        A handle means that the work lives elsewhere and is looked after only once `attach` is called: the caller
        records the handle in between.
        """
        ...

    def attach(self, job: Job, handle: str) -> None:
        """Looks after work that lives elsewhere, started by this or by an earlier runner."""
        ...

    def wait(self, timeout: float | None, wake: int | None = None) -> Sequence[Outcome]:
        """The attempts that ended; waits up to `timeout` seconds for the first, without limit if None.

        Returns early, perhaps with none, when the file descriptor `wake` is readable. Raises StateError where what an
        attempt prints cannot be kept.
        """
        ...

    def cancel(self, instance: str, *, at_once: bool = False) -> None:
        """Ends the instance's attempt: by its stop signal, then SIGKILL after its grace; SIGKILL now if `at_once`.

        May be called again; does nothing where none runs.
        """
        ...

    def close(self) -> None:
        """Ends everything that is left, at once."""
        ...
