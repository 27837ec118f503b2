"""The environment that an attempt sees.

In this order: the caller's, `env_file`, the `env` of the pipeline, of groups and of the task; then pipectl's own
variables, which nothing else may set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from pipectl.labels import param_variable
from pipectl.model import Pipeline, Secret
from pipectl.task_tree import own_tasks
from pipectl.template import Reference, TemplateError, has_expression, references, to_text

Render = Callable[[Any, Mapping[str, str]], Any]  # a value, and the environment that its expressions see


def caller_environment(
    environ: Mapping[str, str], env_file: Mapping[str, str], hidden: Set[str] = frozenset()
) -> dict[str, str]:
    """What the caller and `env_file` give, without variables of pipectl's own, and without those that are `hidden`."""
    given = {name: value for name, value in environ.items() if not _is_ours(name) or name == "PIPECTL_STATE"}
    return {name: value for name, value in {**given, **env_file}.items() if name not in hidden}


def _is_ours(name: str) -> bool:
    """Whether a pipectl that this one runs in may have set it; `ITEMS` is anybody's."""
    return name == "ITEM" or name.startswith(("PIPECTL_", "PARAM_", "ITEM_"))


def variables_of_secrets(pipeline: Pipeline) -> Set[str]:
    """The variables that secrets come from, those of sub-pipelines too: none is passed on to what does not name it."""
    found = {str(secret.value) for secret in pipeline.secrets.values() if secret.source == "env"}
    for task in own_tasks(pipeline.tasks):
        if task.pipeline is not None:
            found |= variables_of_secrets(task.pipeline)
    return found


def run_variables(params: Mapping[str, Any], run: Mapping[str, Any], pipeline: Pipeline) -> dict[str, str]:
    """The variables that are the same for every attempt of a run."""
    variables = {param_variable(name): to_text(value) for name, value in params.items() if value is not None}
    return {
        **variables,
        "PIPECTL_RUN_ID": run["id"],
        "PIPECTL_PIPELINE": pipeline.name,
        "PIPECTL_LOGICAL_TIME": to_text(run["logical_time"]),
        "PIPECTL_DATE": run["date"],
        "PIPECTL_INTERVAL_START": to_text(run["interval_start"]),
        "PIPECTL_INTERVAL_END": to_text(run["interval_end"]),
        "PIPECTL_RUN_DIR": run["dir"],
    }


def attempt_variables(run_id: str, task: str, instance: str, attempt: int, item: Mapping[str, Any]) -> dict[str, str]:
    """The variables of one attempt. The idempotency key is the same for every attempt of an instance.

    `task` is its path, `item` are the values of its own variables.
    """
    return {
        **{name: to_text(value) for name, value in item.items() if value is not None},
        "PIPECTL_TASK": task,
        "PIPECTL_INSTANCE": instance,
        "PIPECTL_ATTEMPT": str(attempt),
        "PIPECTL_IDEMPOTENCY_KEY": hashlib.sha256(f"{run_id}/{instance}".encode()).hexdigest()[:32],
    }


def extend(base: Mapping[str, str], entries: Mapping[str, Any], render: Render) -> dict[str, str]:
    """The environment with the entries of an `env` added: each may use those above it; null unsets a variable."""
    env = dict(base)
    for name, value in entries.items():
        try:
            rendered = render(value, env)
        except TemplateError as error:
            raise error.within(f"`env`, `{name}`") from error
        if rendered is None:
            env.pop(name, None)
        else:
            env[name] = to_text(rendered)
    return env


def with_named_secrets(
    env: Mapping[str, str], entries: Mapping[str, Any], secrets: Mapping[str, Secret], given: Mapping[str, str]
) -> dict[str, str]:
    """The environment with the variables that the secrets are `given` by which the entries use."""
    used = {reference.path[1] for text in texts(entries) for reference in references(text) if _is_secret(reference)}
    sources = [str(s.value) for s in secrets.values() if s.source == "env" and s.name in used]
    return {**env, **{name: given[name] for name in sources if name in given}}


def _is_secret(reference: Reference) -> bool:
    return reference.path[0] == "secrets" and len(reference.path) > 1


def uses(value: Any, names: Set[str]) -> bool:
    """Whether an expression in a value uses one of these names."""
    return any(reference.path[0] in names for text in texts(value) for reference in references(text))


def texts(value: Any) -> Iterator[str]:
    """The texts with expressions in a value, through lists and mappings."""
    if isinstance(value, str):
        if has_expression(value):
            yield value
    elif isinstance(value, list | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts(inner)
