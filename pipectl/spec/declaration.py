"""One declaration out of a file and those it includes: each name once, with the place where it stands."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipectl.errors import Problem
from pipectl.spec.bodies import TYPES
from pipectl.spec.nesting import around
from pipectl.spec.source import Part, Source

_SECTIONS = ("params", "vars", "env", "secrets", "connections", "pools")
_TAKEN = frozenset({*_SECTIONS, "defaults", "tasks", "include"})
_MERGED_DEFAULTS = frozenset({"env", *TYPES})
_ABOUT = frozenset({"name", "description", "owner", "tags"})


@dataclass
class Declaration:
    """What the files say together, by section and name. Every part knows the file it stands in.

    `tasks` are by their paths through groups, each group before those in it; `levels` are their names by the group that
    they are in. `before` maps a task of a list to the one before it. `children` are what other files say that tasks
    name, those that could be read. `defaults` has all parts of a mapping whose keys are taken one
    by one, the last of which wins; of other keys only the part that holds. `sql_files` are by their paths as
    written.
    """

    main: Source
    folder: str
    sources: list[Source] = field(default_factory=list)
    params: dict[str, Part] = field(default_factory=dict)
    vars: dict[str, Part] = field(default_factory=dict)
    env: dict[str, Part] = field(default_factory=dict)
    secrets: dict[str, Part] = field(default_factory=dict)
    connections: dict[str, Part] = field(default_factory=dict)
    pools: dict[str, Part] = field(default_factory=dict)
    defaults: dict[str, list[Part]] = field(default_factory=dict)
    tasks: dict[str, Part] = field(default_factory=dict)
    sql_files: dict[str, Source] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    levels: dict[str, dict[str, str]] = field(default_factory=lambda: {"": {}})
    children: dict[str, Declaration] = field(default_factory=dict)

    @property
    def top(self) -> Part:
        """The whole main file."""
        return Part(self.main, (), self.main.data)

    def named(self, name: str, user: str) -> str:
        """The path of the task that `name` means to the task `user`: one beside it, else outwards; empty for none."""
        for scope in around(user):
            if name in self.levels[scope]:
                return self.levels[scope][name]
        return self.levels[""].get(name, "")

    def visible(self, user: str) -> Mapping[str, str]:
        """The names that mean a task to the task `user`, with the paths of what they mean."""
        return ChainMap(*(self.levels[scope] for scope in around(user)), self.levels[""])

    def default(self, kind: str, option: str) -> Part | None:
        """What `defaults` say of an option of a type."""
        return next((part[option] for part in reversed(self.defaults.get(kind, ())) if option in part.value), None)

    def option(self, task: Part, kind: str, option: str) -> Part | None:
        """What holds for an option of a task of this type: its own word, null too, else that of `defaults`."""
        part = task[kind].get(option) or self.default(kind, option)
        return part if part is not None and part.value is not None else None


def merge(main: Source, included: list[Source], folder: str) -> tuple[Declaration, list[Problem]]:
    """The declaration of a file and the files it includes, with the problems that appear only together."""
    declaration = Declaration(main, folder, [main, *included])
    problems: list[Problem] = []
    for source in [*included, main]:
        root = Part(source, (), source.data)
        for section in _SECTIONS:
            getattr(declaration, section).update(_entries(root.get(section)))
        for key, part in _entries(root.get("defaults")):
            earlier = declaration.defaults.get(key, []) if key in _MERGED_DEFAULTS else []
            declaration.defaults[key] = [*earlier, part]
        problems += _add_tasks(declaration, root)
        if source is not main:
            problems += _without_effect(root)
    return declaration, problems


def _entries(section: Part | None) -> Iterator[tuple[str, Part]]:
    """The named parts of a section; of a list of names (secrets) as well."""
    if section is None:
        return
    yield from section.items()
    if isinstance(section.value, list):
        for entry in section.entries():
            if isinstance(entry.value, str):
                yield entry.value, entry


def _add_tasks(declaration: Declaration, root: Part) -> list[Problem]:
    problems: list[Problem] = []
    _add_level(declaration, "", root, problems)
    return problems


def _add_level(declaration: Declaration, group: str, holder: Part, problems: list[Problem]) -> None:
    section = holder.get("tasks")
    level = declaration.levels.setdefault(group, {})
    before = None
    for name, task in _tasks(section) if section else ():
        step = name.replace(".", "·")  # of a name that the schema refuses, and that must not pass for a path
        path = f"{group}.{step}" if group else step
        if name in level:
            problems.append(_duplicate(path, task, declaration.tasks[path]))
            continue
        level[name] = path
        declaration.tasks[path] = task
        if before is not None:
            declaration.before[path] = before
        before = path if section and isinstance(section.value, list) else None
        if isinstance(task.value, dict) and "tasks" in task.value:
            _add_level(declaration, path, task, problems)


def _duplicate(path: str, task: Part, first: Part) -> Problem:
    line, _ = first.source.place(first.path, key=True)
    where = f"line {line}" if first.source is task.source else f"{first.source.file}:{line}"
    return task.problem(f"duplicate task `{path}`: it stands in {where} already", "give one another name", key=True)


def _tasks(section: Part) -> Iterator[tuple[str, Part]]:
    for entry in section.entries() if isinstance(section.value, list) else (section,):
        yield from entry.items()


def _without_effect(root: Part) -> list[Problem]:
    return [
        part.problem(
            f"`{key}` of an included file has no effect", "say it in the file that includes", key=True, warning=True
        )
        for key, part in root.items()
        if key not in _TAKEN and key not in _ABOUT and not key.startswith("x-")
    ]
