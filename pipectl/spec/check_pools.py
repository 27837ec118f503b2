"""Pools that cannot be as they are declared, and tasks that ask for more of a pool or of the machine than there is."""

from __future__ import annotations

from collections.abc import Iterator

from pipectl.errors import Problem
from pipectl.sizes import parse_size
from pipectl.spec.declaration import Declaration
from pipectl.spec.long_forms import parse_rate
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean

_LEAST_MEMORY = 1 << 20


def declared_pool_problems(declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the pools themselves."""
    for name, pool in declaration.pools.items():
        rate = pool.get("rate")
        if rate is not None and parse_rate(rate.value)[1] == 0:
            yield rate.problem(f"the rate of pool `{name}` is of no time at all", "write e.g. `rate: 60/1m`")


def pool_problems(pool: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the `pool` of a task or of the defaults of tasks."""
    if "pools" in declaration.top.taken:
        return
    if not isinstance(pool.value, str):
        for name, slots in pool.items():
            if name not in declaration.pools:
                yield slots.problem(*_unknown(name, declaration), key=True)
            elif (most := _slots_of(declaration.pools[name])) is not None and slots.value > most:
                message = f"pool `{name}` has {_slots(most)}, not {as_text(slots.value)}"
                yield slots.problem(message, f"write `{name}: {as_text(most)}`")
    elif "{{" in pool.value:
        yield pool.problem("`pool` must be constant: the plan is made of it", "write the name itself")
    elif pool.value not in declaration.pools:
        yield pool.problem(*_unknown(pool.value, declaration))


def resource_problems(resources: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the `resources` of a task or of the defaults of tasks."""
    memory, gpu, gpus = resources.get("memory"), resources.get("gpu"), declaration.top.get("gpus")
    if memory is not None and parse_size(memory.value) < _LEAST_MEMORY:
        said = as_text(memory.value)
        hint = f"write `memory: {said}M`" if isinstance(memory.value, int) else "write e.g. `memory: 512M`"
        unit = " bytes" if isinstance(memory.value, int) else ""
        yield memory.problem(f"no process can do with `{said}`{unit} of memory", hint)
    if gpu is not None and gpus is not None and gpu.value > gpus.value:
        message = f"`gpu` asks for {as_text(gpu.value)}, and there are {as_text(gpus.value)}: `gpus` says so"
        yield gpu.problem(message, f"write `gpus: {as_text(gpu.value)}` at the top of the file")


def _unknown(name: str, declaration: Declaration) -> tuple[str, str]:
    words = name.replace(",", " ").split()
    if len(words) > 1:
        return f"`{name}` is not a name", f"write `pool: {{{', '.join(f'{word}: 1' for word in words)}}}`"
    hint = did_you_mean(name, declaration.pools) or f"declare it at the top: `pools: {{{name}: 4}}`"
    return f"pool `{name}` is not declared", hint


def _slots_of(pool: Part) -> float | None:
    """The slots of a declared pool; None where it says none, or a fault took them out."""
    slots: float | None = pool.value.get("slots") if isinstance(pool.value, dict) else pool.value
    return slots


def _slots(number: float) -> str:
    return f"{as_text(number)} slot{'' if number == 1 else 's'}"
