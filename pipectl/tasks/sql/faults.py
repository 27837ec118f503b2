"""What a database refuses, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.advice import advice
from pipectl.tasks.sql.databases.base import Database


@contextmanager
def telling(database: Database, where: str, hint: str = "", *, is_connecting: bool = False) -> Iterator[None]:
    """Makes a Fault of the driver's errors: where it was, what the database says, and the classes of the error.

    All that the database says goes to the log; the password goes nowhere. The hint, or advice that fits, comes last.
    """
    try:
        yield
    except database.driver.Error as error:
        said = _without_password(database.message(error), database).strip()
        first, more, _ = said.partition("\n")
        if more:
            print(said, flush=True)
        classes = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
        full = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__[:1]]
        is_lost = not database.is_refused(error) if is_connecting else database.is_lost(error)
        states = ["timeout"] if database.is_timeout(error) else ["connection"] if is_lost else []
        told = ": ".join(filter(None, (where, first or classes[0], hint or advice(first))))
        raise Fault(told, *states, *classes, *full) from None
    except UnicodeEncodeError:
        raise Fault(f"{where}: a value is no text: it holds half of a surrogate pair") from None


def _without_password(text: str, database: Database) -> str:
    password = database.url.password
    return text.replace(str(password), "***") if password else text
