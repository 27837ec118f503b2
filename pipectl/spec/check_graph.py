"""Who needs whom: unknown names, cycles, and what `'*'` and the order of a list stand for.

In the graph a group has a beginning, which what is in it waits for, and an end, which waits for what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipectl.errors import Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.nesting import Named, around, is_group
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean
from pipectl.task_tree import relative

_LONGEST_SHOWN = 12
Needs = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """The direct upstreams of every task, `'*'` and lists written out; all are named by their paths."""

    needs: Mapping[str, tuple[str, ...]]
    _above: Mapping[str, Sequence[str]]

    def is_upstream(self, task: str, other: str) -> bool:
        """Whether `task` starts after `other` has ended: it, or a group around it, needs that or what that is in."""
        seen: set[str] = set()
        ahead = [_beginning(task, self._above)]
        for name in ahead:  # grows while it is walked: nearest first
            for upstream in self._above.get(name, ()):
                if upstream == other:
                    return True
                if upstream not in seen:
                    seen.add(upstream)
                    ahead.append(upstream)
        return False


def graph(declaration: Declaration) -> tuple[Graph, list[Problem]]:
    """The graph of the tasks, without what is wrong in it, and its problems."""
    problems: list[Problem] = []
    for level in declaration.levels.values():
        problems += _same_but_for_case({name: declaration.tasks[path] for name, path in level.items()}, "task")
    needs: Needs = {}
    handlers: dict[str, list[str]] = {}
    for name, task in declaration.tasks.items():
        part = task.get("needs")
        if part is None:
            needs[name] = (declaration.before[name],) if name in declaration.before else ()
            continue
        found, wrong = _direct(name, part, declaration)
        problems += wrong
        if "*" in found:
            handlers.setdefault(next(around(name), ""), []).append(name)
        needs[name] = tuple(upstream for upstream in found if upstream != "*")
    above = _edges(needs, declaration)
    problems += _cycles(above, declaration)
    _write_out(needs, above, handlers, declaration)
    return Graph(needs, above), problems


def _direct(name: str, part: Part, declaration: Declaration) -> tuple[dict[str, None], list[Problem]]:
    found: dict[str, None] = {}
    problems = []
    for entry in part.entries():
        upstream = entry.value if entry.value == "*" else reached(name, entry, declaration)
        if isinstance(upstream, Problem):
            problems.append(upstream)
        elif upstream in found:
            problems.append(entry.problem(f"task `{name}` needs `{entry.value}` twice", "keep one of the two"))
        elif wrong := _of_its_own(name, upstream):
            problems.append(entry.problem(*wrong))
        else:
            found[upstream] = None
    return found, problems


def reached(user: str, entry: Part, declaration: Declaration) -> str | Problem:
    """The path of the task that `needs` of the task `user` names, or what is wrong with it.

    Where a fault keeps from being known what a group holds, it is the group.
    """
    if path := declaration.named(entry.value, user):
        return path
    first, *steps = entry.value.split(".")
    path = declaration.named(first, user)
    if not path:
        return _unknown(user, entry, declaration)
    named = Named(declaration, path)
    for step in steps:
        if named.unknown:
            return named.path
        if step not in named.members:
            return _no_member(user, entry, named, step)
        if named.repeated and not user.startswith(f"{named.path}."):
            message = f"task `{user}` needs `{entry.value}`, and `{named.path}` has a `foreach`"
            return entry.problem(message, f"need all of it: `needs: {named.path}`")
        named = named.member(step)
    return named.path


def _unknown(name: str, entry: Part, declaration: Declaration) -> Problem:
    upstream: str = entry.value
    if "{{" in upstream:
        return entry.problem("`needs` must be constant: the plan is made of it", "write the names themselves")
    words = upstream.replace(",", " ").split()
    if len(words) > 1 and all(declaration.named(word, name) for word in words):
        return entry.problem(f"`needs` is one text, `{upstream}`", f"write a list: `needs: [{', '.join(words)}]`")
    visible = {other: path for other, path in declaration.visible(name).items() if path != name}
    within = [Named(declaration, path) for path in visible.values()]
    group = next((group for group in within if upstream in group.members), None)
    if group is None:
        hint = did_you_mean(upstream, visible)
    else:
        called = relative(name, group.path)
        hint = f"need all of its group: `{called}`" if group.repeated else f"write `{called}.{upstream}`"
    return entry.problem(f"task `{name}` needs `{upstream}`, which is not defined", hint)


def _no_member(name: str, entry: Part, named: Named, step: str) -> Problem:
    if not named.is_group:
        return entry.problem(f"task `{name}` needs `{entry.value}`, and `{named.path}` is no group")
    message = f"task `{name}` needs `{entry.value}`, and group `{named.path}` has no `{step}`"
    return entry.problem(message, did_you_mean(step, named.members))


def _of_its_own(name: str, upstream: str) -> tuple[str, str] | None:
    """What is wrong with an upstream that is the task itself, around it or within it."""
    if upstream == name:
        return f"task `{name}` needs itself", "remove it from `needs`"
    if name.startswith(f"{upstream}."):
        return f"task `{name}` needs `{upstream}`, the group that it is in", "remove it from `needs`"
    if upstream.startswith(f"{name}."):
        return f"group `{name}` needs `{upstream}`, which is in it", "remove it from `needs`"
    return None


def _same_but_for_case(parts: Mapping[str, Part], kind: str) -> Iterator[Problem]:
    folded: dict[str, str] = {}
    for name, part in parts.items():
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            yield part.problem(f"{kind}s `{other}` and `{name}` differ only by case", "rename one of them", key=True)


def same_but_for_case(declaration: Declaration) -> Iterator[Problem]:
    """Names of parameters, constants, secrets, connections and pools that differ only by case."""
    yield from _same_but_for_case(declaration.params, "parameter")
    yield from _same_but_for_case(declaration.vars, "constant")
    yield from _same_but_for_case(declaration.secrets, "secret")
    yield from _same_but_for_case(declaration.connections, "connection")
    yield from _same_but_for_case(declaration.pools, "pool")


def _edges(needs: Needs, declaration: Declaration) -> dict[str, list[str]]:
    """What each task, and the beginning and the end of each group, waits for. The end has the path of the group."""
    above: dict[str, list[str]] = {}
    for path, task in declaration.tasks.items():
        begin = f"{path}." if is_group(task.value) else path
        above[begin] = [*needs[path]]
        if begin != path:
            above[path] = [begin]
        for group in around(path):
            above[begin].append(f"{group}.")
            above[group].append(path)
            break
    _add_children(above, declaration)
    return above


def _add_children(above: dict[str, list[str]], declaration: Declaration) -> None:
    """Tasks of sub-pipelines that others need wait for the sub-pipeline's beginning alone."""
    for upstream in [one for upstreams in above.values() for one in upstreams if one not in above]:
        holder = next(group for group in around(upstream) if group in declaration.tasks)
        above[upstream] = [f"{holder}."]


def _beginning(path: str, above: Mapping[str, Sequence[str]]) -> str:
    return f"{path}." if f"{path}." in above else path


def _write_out(
    needs: Needs, above: dict[str, list[str]], handlers: Mapping[str, list[str]], declaration: Declaration
) -> None:
    """Replaces `'*'`: by every task of the same level but the handlers, and what comes after one.

    So no handler waits for another by its `'*'` alone, and none for itself. The innermost levels come first: what is
    added there, outer ones must know.
    """
    if not handlers:
        return
    below: dict[str, list[str]] = {}
    for name, upstreams in above.items():
        for upstream in upstreams:
            below.setdefault(upstream, []).append(name)
    for group in sorted(handlers, key=lambda path: -path.count(".") - bool(path)):
        after = _after(handlers[group], group, below)
        before = [path for path in declaration.levels[group].values() if path not in after]
        for name in handlers[group]:
            begin = _beginning(name, above)
            for upstream in before:
                below.setdefault(upstream, []).append(begin)
            above[begin] += before
            needs[name] = tuple(dict.fromkeys((*needs[name], *before)))


def _after(handlers: list[str], group: str, below: Mapping[str, list[str]]) -> dict[str, None]:
    """The handlers and all that waits for one. What waits for the end of their group is not in it."""
    after = dict.fromkeys(handlers)
    ahead = list(handlers)
    for name in ahead:
        for downstream in below.get(name, ()):
            if downstream not in after and downstream != group:
                after[downstream] = None
                ahead.append(downstream)
    return after


def _cycles(above: Mapping[str, Sequence[str]], declaration: Declaration) -> Iterator[Problem]:
    """One problem for each cycle, found without recursion: a chain may be thousands of tasks long."""
    done: set[str] = set()
    told: set[str] = set()
    for root in above:
        if root in done:
            continue
        path = {root: iter(above[root])}
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
                path[upstream] = iter(above[upstream])


def _cycle_problem(cycle: list[str], declaration: Declaration) -> Problem:
    order = {name: index for index, name in enumerate(declaration.tasks)}
    circle = list(dict.fromkeys(name.removesuffix(".") for name in cycle))
    asking = {
        name: entry
        for name, other in zip(circle, [*circle[1:], circle[0]], strict=True)
        if (entry := _entry(name, other, declaration))
    }
    first = circle.index(min(asking or circle, key=order.__getitem__))
    names = [*circle[first:], *circle[:first], circle[first]]
    if len(names) > _LONGEST_SHOWN:
        names = [*names[: _LONGEST_SHOWN - 2], f"… {len(names) - _LONGEST_SHOWN} more …", *names[-2:]]
    message = f"the tasks need one another in a cycle: {' -> '.join(names)}"
    hint = "remove one of these `needs`"
    if any("." in name for name in circle):
        hint += ": a group needs what is in it, and that needs what the group needs"
    at = asking.get(names[0])
    if at is None:
        return declaration.tasks[names[0]].problem(message, hint, key=True)
    return at.problem(message, hint)


def _entry(name: str, upstream: str, declaration: Declaration) -> Part | None:
    """Where the task says that it needs this upstream."""
    part = declaration.tasks[name].get("needs") if name in declaration.tasks else None
    for entry in part.entries() if part is not None else ():
        if entry.value != "*" and reached(name, entry, declaration) == upstream:
            return entry
    return None
