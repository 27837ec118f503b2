"""Who needs whom: unknown names, cycles, and what `'*'` and the order of a list stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipectl.errors import Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean

_LONGEST_SHOWN = 12
Needs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """The direct upstreams of every task, `'*'` and lists written out."""

    needs: Mapping[str, tuple[str, ...]]

    def is_upstream(self, task: str, other: str) -> bool:
        """Whether `task` needs `other`, directly or through others."""
        seen: set[str] = set()
        ahead = [task]
        for name in ahead:  # grows while it is walked: nearest first
            for upstream in self.needs.get(name, ()):
                if upstream == other:
                    return True
                if upstream not in seen:
                    seen.add(upstream)
                    ahead.append(upstream)
        return False


def graph(declaration: Declaration) -> tuple[Graph, list[Problem]]:
    """The graph of the tasks, without what is wrong in it, and its problems."""
    problems = list(_same_but_for_case(declaration.tasks, "task"))
    needs: Needs = {}
    handlers: list[str] = []
    for name, task in declaration.tasks.items():
        part = task.get("needs")
        if part is None:
            needs[name] = (declaration.before[name],) if name in declaration.before else ()
            continue
        found, wrong = _direct(name, part, declaration)
        problems += wrong
        if "*" in found:
            handlers.append(name)
        needs[name] = tuple(upstream for upstream in found if upstream != "*")
    problems += _cycles(needs, declaration)
    return Graph(_write_out(needs, handlers)), problems


def _direct(name: str, part: Part, declaration: Declaration) -> tuple[dict[str, None], list[Problem]]:
    found: dict[str, None] = {}
    problems = []
    for entry in part.entries():
        upstream = entry.value
        if upstream == "*" or upstream in declaration.tasks:
            if upstream in found:
                problems.append(entry.problem(f"task `{name}` needs `{upstream}` twice", "keep one of the two"))
            elif upstream == name:
                problems.append(entry.problem(f"task `{name}` needs itself", "remove it from `needs`"))
            else:
                found[upstream] = None
        else:
            problems.append(_unknown(name, entry, declaration))
    return found, problems


def _unknown(name: str, entry: Part, declaration: Declaration) -> Problem:
    upstream: str = entry.value
    if "{{" in upstream:
        return entry.problem("`needs` must be constant: the plan is made of it", "write the names themselves")
    words = upstream.replace(",", " ").split()
    if len(words) > 1 and all(word in declaration.tasks for word in words):
        return entry.problem(f"`needs` is one text, `{upstream}`", f"write a list: `needs: [{', '.join(words)}]`")
    hint = did_you_mean(upstream, [other for other in declaration.tasks if other != name])
    return entry.problem(f"task `{name}` needs `{upstream}`, which is not defined", hint)


def _same_but_for_case(parts: Mapping[str, Part], kind: str) -> Iterator[Problem]:
    folded: dict[str, str] = {}
    for name, part in parts.items():
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            yield part.problem(f"{kind}s `{other}` and `{name}` differ only by case", "rename one of them", key=True)


def same_but_for_case(declaration: Declaration) -> Iterator[Problem]:
    """Names of parameters, constants, secrets and connections that differ only by case."""
    yield from _same_but_for_case(declaration.params, "parameter")
    yield from _same_but_for_case(declaration.vars, "constant")
    yield from _same_but_for_case(declaration.secrets, "secret")
    yield from _same_but_for_case(declaration.connections, "connection")


def _write_out(needs: Needs, handlers: list[str]) -> Needs:
    """The needs with `'*'` replaced: every task but the handlers and what comes after one.

    So no handler waits for another by its `'*'` alone, and none for itself.
    """
    if not handlers:
        return needs
    below: dict[str, list[str]] = {name: [] for name in needs}
    for name, upstreams in needs.items():
        for upstream in upstreams:
            below[upstream].append(name)
    after = dict.fromkeys(handlers)
    ahead = list(handlers)
    for name in ahead:
        for downstream in below[name]:
            if downstream not in after:
                after[downstream] = None
                ahead.append(downstream)
    before = [name for name in needs if name not in after]
    return {**needs, **{name: tuple(dict.fromkeys((*needs[name], *before))) for name in handlers}}


def _cycles(needs: Needs, declaration: Declaration) -> Iterator[Problem]:
    """One problem for each cycle, found without recursion: a chain may be thousands of tasks long."""
    done: set[str] = set()
    told: set[str] = set()
    for root in needs:
        if root in done:
            continue
        path = {root: iter(needs[root])}
        while path:
            name = next(reversed(path))
            upstream = next(path[name], None)
            if upstream is None:
                done.add(name)
                del path[name]
            elif upstream in path:
                cycle = list(path)[list(path).index(upstream) :]
                if not told.issuperset(cycle):
                    told.update(cycle)
                    yield _cycle_problem(cycle, declaration)
            elif upstream not in done:
                path[upstream] = iter(needs[upstream])


def _cycle_problem(cycle: list[str], declaration: Declaration) -> Problem:
    order = {name: index for index, name in enumerate(declaration.tasks)}
    first = cycle.index(min(cycle, key=order.__getitem__))
    names = [*cycle[first:], *cycle[:first], cycle[first]]
    if len(names) > _LONGEST_SHOWN:
        names = [*names[: _LONGEST_SHOWN - 2], f"… {len(names) - _LONGEST_SHOWN} more …", *names[-2:]]
    task = declaration.tasks[names[0]]
    message = f"the tasks need one another in a cycle: {' -> '.join(names)}"
    hint = "remove one of these `needs`"
    part = task.get("needs")
    if part is None:
        return task.problem(message, hint, key=True)
    entry = next((entry for entry in part.entries() if entry.value == names[1]), part)
    return entry.problem(message, hint)
