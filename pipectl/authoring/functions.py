"""Functions as tasks: `@task` on one, called in a pipeline's `with` block, is a task; called elsewhere, itself."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, overload

from pipectl.authoring.tasks import current_scope


class TaskFunction:
    """A function that becomes a task where it is called in a pipeline's `with` block, and is itself elsewhere."""

    def __init__(self, function: Callable[..., Any], name: str, keys: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._name = name or function.__name__
        self._keys = keys

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a pipeline the task, with these arguments, which may be tasks or their outputs; else what it returns."""
        scope = current_scope()
        if scope is None:
            return self._function(*args, **kwargs)
        arguments = _arguments(self._function, args, kwargs)
        return scope.python(self._name, self._function, **({"with": arguments} if arguments else {}), **self._keys)

    def options(self, name: str = "", **keys: Any) -> TaskFunction:
        """The same function as a task of another name, or with other keys: `load.options("load_eu", retries=2)(…)`."""
        return TaskFunction(self._function, name or self._name, {**self._keys, **keys})


@overload
def task(function: Callable[..., Any], /) -> TaskFunction: ...
@overload
def task(*, name: str = "", **keys: Any) -> Callable[[Callable[..., Any]], TaskFunction]: ...
def task(function: Callable[..., Any] | None = None, /, *, name: str = "", **keys: Any) -> Any:
    """Makes a function of a module a task: `@task`, or `@task(retries=2)` with keys of the file language."""
    if function is None:
        return lambda one: TaskFunction(one, name, keys)
    return TaskFunction(function, name, keys)


class Nameless(ValueError):
    """A task runs in a process of its own, which imports its function by name: this one has none. Says why."""


def call_name(function: Any) -> str:
    """The function as `package.module:name`. Raises Nameless."""
    function = getattr(function, "_function", function)
    name = getattr(function, "__qualname__", None)
    if name is None or not callable(function):
        raise Nameless(f"a value of type `{type(function).__name__}` is no function of a module")
    if "<lambda>" in name:
        raise Nameless("a lambda has no name by which a task could import it")
    if "<locals>" in name:
        raise Nameless(f"`{function.__name__}` is made within another function, where no task can import it")
    module = _module_name(function.__module__)
    if not _is(_looked_up(sys.modules.get(function.__module__), name), function):
        raise Nameless(f"`{module}:{name}` is not this function")
    return f"{module}:{name}"


def _module_name(module: str) -> str:
    """The name by which a task can import the module; the main program has another than its own."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    if main.__spec__ is not None:
        return main.__spec__.name
    file: str | None = getattr(main, "__file__", None)
    if file is None:
        raise Nameless("what is defined in an interactive session cannot be imported: write it to a module")
    return os.path.splitext(os.path.basename(file))[0]  # noqa: PTH119, PTH122


def _looked_up(module: Any, name: str) -> Any:
    for step in name.split("."):
        module = getattr(module, step, None)
    return module


def _is(found: Any, function: Any) -> bool:
    return bool(found == function) or getattr(found, "__wrapped__", None) is function


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name. Raises TypeError as the call itself would, and for those that have no name."""
    signature = inspect.signature(function)
    found: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY}:
            raise TypeError(f"{function.__name__}(): a task gets its arguments by name, and `{name}` has none")
        else:
            found[name] = value
    return found
