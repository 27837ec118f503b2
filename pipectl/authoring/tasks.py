"""The parts of a pipeline under construction: tasks, groups and the pipeline, and what needs what.

A keyword is a key of the file language (one trailing `_` does not count: `with_`), so this module knows none of them;
a value may be the output of another task. All of it is checked by `Pipeline.validate`, or when the pipeline is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from pipectl.authoring.places import Made, add_hints, fault, made_here, origin
from pipectl.errors import PipectlError

if TYPE_CHECKING:
    from pipectl.authoring.generated import Generated
    from pipectl.authoring.session import Result
    from pipectl.errors import Problem

Tasks = TypeVar("Tasks", bound="Task | Sequence[Task]")

_open: ContextVar[tuple[Scope, ...]] = ContextVar("open", default=())


def current_scope() -> Scope | None:
    """The group or pipeline whose `with` block is being executed, the innermost; None outside of any."""
    scopes = _open.get()
    return scopes[-1] if scopes else None


class Output:
    """What a task will give, or a part of it: `fetch.output["path"]`. It is known when the pipeline runs.

    As a value of another task it becomes an expression, and the other task needs the first. In a text it is the
    expression alone, and `needs` is the writer's.
    """

    def __init__(self, task: Task, steps: tuple[str | int, ...] = ()) -> None:
        self._task = task
        self._steps = steps

    def __getattr__(self, name: str) -> Output:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, key: str | int) -> Output:
        return Output(self._task, (*self._steps, key))

    __iter__ = None
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        from pipectl.authoring.naming import expression

        return expression(self, self._task.root._innermost())

    def __eq__(self, other: object) -> NoReturn:
        self._unknown()

    def __bool__(self) -> NoReturn:
        self._unknown()

    def _unknown(self) -> NoReturn:
        raise TypeError(
            f'an output is not known yet: compare it in an expression, such as when="{str(self)[3:-3]} > 0"'
        )


class Task:
    """A task: `a >> b` says that `b` needs `a`, `b << a` the same; either side may be a list."""

    def __init__(self, scope: Scope, name: str, kind: str | None, body: Any, keys: Mapping[str, Any]) -> None:
        self.name = name
        self.scope = scope
        self.kind = kind
        self.body = body
        self.keys = {key.removesuffix("_"): value for key, value in keys.items()}
        needs = self.keys.pop("needs", ())
        self.upstream: list[Task | str] = [needs] if isinstance(needs, str | Task) else list(needs)
        self.made: Made = made_here()
        scope._take(self)

    @property
    def path(self) -> tuple[str, ...]:
        """Its name below those of the groups that it is in."""
        return (*self.scope.path, self.name)

    @property
    def root(self) -> Pipeline:
        """The pipeline that it is a task of."""
        return self.scope.root

    @property
    def output(self) -> Output:
        """What it will give."""
        return Output(self)

    def set_upstream(self, tasks: Task | Iterable[Task]) -> None:
        """This task needs them."""
        self.upstream += _listed(tasks)

    def set_downstream(self, tasks: Task | Iterable[Task]) -> None:
        """They need this task."""
        for task in _listed(tasks):
            task.upstream.append(self)

    def __rshift__(self, tasks: Tasks) -> Tasks:
        self.set_downstream(tasks)
        return tasks

    def __lshift__(self, tasks: Tasks) -> Tasks:
        self.set_upstream(tasks)
        return tasks

    def __rrshift__(self, tasks: Sequence[Task]) -> Self:
        self.set_upstream(tasks)
        return self

    def __rlshift__(self, tasks: Sequence[Task]) -> Self:
        self.set_downstream(tasks)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {'.'.join(self.path)}>"


class Scope:
    """What holds tasks. In its `with` block, what its pipeline is given goes into it."""

    tasks: dict[str, Task]

    @property
    def path(self) -> tuple[str, ...]:
        """The names that lead to it from the pipeline."""
        raise NotImplementedError

    @property
    def root(self) -> Pipeline:
        """The pipeline that it is part of, or is."""
        raise NotImplementedError

    def shell(self, name: str, body: str | Sequence[Any] | Mapping[str, Any], /, **keys: Any) -> Task:
        """A script (a text), or a program with its arguments (a list)."""
        return self._add(name, "shell", body, keys)

    def python(self, name: str, body: str | Callable[..., Any] | Mapping[str, Any], /, **keys: Any) -> Task:
        """A function, itself or as `package.module:function`, or code, or a script; `with_` are its arguments."""
        return self._add(name, "python", body, keys)

    def sql(self, name: str, body: str | Mapping[str, Any] | None = None, /, **keys: Any) -> Task:
        """Statements, or `load=` or `file=`, in the database of `connection=`."""
        return self._add(name, "sql", body, keys)

    def http(self, name: str, body: str | Mapping[str, Any] | None = None, /, **keys: Any) -> Task:
        """A request to a URL."""
        return self._add(name, "http", body, keys)

    def wait(self, name: str, /, **keys: Any) -> Task:
        """A sensor, by what it waits for: `file=…`, `until=…`, `for_=…`, with its `timeout=` and `interval=`."""
        return self._add(name, "wait", {}, keys)

    def approve(self, name: str, question: str, /, **keys: Any) -> Task:
        """A question to a person; the values of its `params=` are the output."""
        return self._add(name, "approve", {"question": question}, keys)

    def pipeline(self, name: str, file: str, /, **keys: Any) -> Task:
        """Another pipeline's file as one task, with its `params=`."""
        return self._add(name, "pipeline", {"file": file}, keys)

    def task(self, name: str, /, **keys: Any) -> Task:
        """A task with just these keys, as in a file: a join where there is none of a type."""
        return self._add(name, None, None, keys)

    def group(self, name: str, /, **keys: Any) -> Group:
        """A group, to be filled in its `with` block or by its own methods."""
        return Group(self._innermost(), name, None, None, keys)

    def __enter__(self) -> Self:
        _open.set((*_open.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _open.set(_open.get()[:-1])

    def _add(self, name: str, kind: str | None, body: Any, keys: Mapping[str, Any]) -> Task:
        return Task(self._innermost(), name, kind, body, keys)

    def _innermost(self) -> Scope:
        """The innermost open group below, or this one."""
        for scope in reversed(_open.get()):
            if scope.root is self.root and scope.path[: len(self.path)] == self.path:
                return scope
        return self

    def _take(self, task: Task) -> None:
        if task.name in self.tasks:
            where = f"in group `{'.'.join(self.path)}`" if self.path else f"in pipeline `{self.root.name}`"
            raise fault(task.made, f"there is a task `{task.name}` {where} already", "give one another name")
        self.tasks[task.name] = task


class Group(Scope, Task):
    """A task that holds tasks."""

    def __init__(self, scope: Scope, name: str, kind: str | None, body: Any, keys: Mapping[str, Any]) -> None:
        self.tasks = {}
        Task.__init__(self, scope, name, kind, body, keys)

    @property
    def path(self) -> tuple[str, ...]:
        """Its name below those of the groups that it is in."""
        return (*self.scope.path, self.name)

    @property
    def root(self) -> Pipeline:
        """The pipeline that it is part of."""
        return self.scope.root


class Pipeline(Scope):
    """A pipeline; keywords are the keys at the top of a file. `Pipeline("etl", params={"day": "2026-01-01"})`.

    Paths in it are relative to the folder from which the program that makes it is imported, or to `folder` in there.
    """

    def __init__(self, name: str, /, *, folder: str | None = None, **keys: Any) -> None:
        self.name = name
        self.keys = {key.removesuffix("_"): value for key, value in keys.items()}
        self.tasks = {}
        self.made = made_here()
        self.origin = origin()
        self.folder = folder

    @property
    def path(self) -> tuple[str, ...]:
        """Nothing: it is where paths begin."""
        return ()

    @property
    def root(self) -> Pipeline:
        """Itself."""
        return self

    def generated(self) -> Generated:
        """What is handed to the checks: plain data, and the line of each part. Raises PipelineError."""
        from pipectl.authoring.data import generated

        return generated(self)

    def to_yaml(self) -> str:
        """The pipeline file, which read back is the same pipeline. Raises PipelineError where it cannot be written.

        It is not checked whether it is valid.
        """
        from pipectl.authoring.text import to_yaml

        return to_yaml(self.generated().data)

    def validate(self) -> list[Problem]:
        """The warnings of a valid pipeline. Raises PipelineError, with every problem, for another."""
        from pipectl.authoring.checks import checked

        with _hints_added():
            return checked(self.generated())[1]

    def run(self, **options: Any) -> Result:
        """Runs the pipeline as `pipectl run` does, in a process of its own, and returns when it has ended.

        `options` are those of the command (`jobs=4`, `fail_fast=True`, `output="quiet"`), and `params`, a mapping.
        Raises PipelineError and UsageError for what cannot be run, and PipectlError for what the command refuses.
        """
        from pipectl.authoring.session import run

        with _hints_added():
            return run(self.generated(), options)

    def simulate(self, **options: Any) -> dict[str, Any]:
        """What `pipectl simulate --json` tells; `options` are as in `run`, e.g. `fail="load"`. Raises as `run` does."""
        from pipectl.authoring.session import simulate

        with _hints_added():
            return simulate(self.generated(), options)


@contextmanager
def _hints_added() -> Iterator[None]:
    try:
        yield
    except PipectlError as error:
        add_hints(error)
        raise


def _listed(tasks: Task | Iterable[Task]) -> list[Task]:
    listed = [tasks] if isinstance(tasks, Task) else list(tasks)
    for one in listed:
        if not isinstance(one, Task):
            raise TypeError(f"`{one!r}` is no task")
    return listed
