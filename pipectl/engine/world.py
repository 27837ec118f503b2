"""What a run takes from outside its file and its record, and what it computes from that when it begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipectl.engine.environment import caller_environment
from pipectl.errors import PipelineError, Problem
from pipectl.model import Pipeline
from pipectl.plain_json import check_characters
from pipectl.spec.world import shown_file
from pipectl.template import Renderer

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


@dataclass(frozen=True, slots=True)
class World:
    """What a pipeline takes from outside, each time its run is taken up.

    `inner` are the worlds of its sub-pipelines, by the names of the tasks that stand for them. `hidden` are variables
    that secrets of any of them come from.
    """

    environ: Mapping[str, str]
    env_file: Mapping[str, str]
    secrets: Mapping[str, str]
    inner: Mapping[str, World] = field(default_factory=dict)
    hidden: Set[str] = frozenset()

    def all_secrets(self) -> set[str]:
        """The values of its secrets, and of those of its sub-pipelines."""
        found = set(self.secrets.values())
        for world in self.inner.values():
            found |= world.all_secrets()
        return found


def compute_vars(pipeline: Pipeline, params: Mapping[str, Any], run: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The pipeline's `vars`, each of which may use those above it.

    Raises PipelineError where one cannot be computed.
    """
    renderer = Renderer(pipeline.folder)
    values: dict[str, Any] = {}
    names = {**_outer_names(pipeline, params, run, world), "vars": values}
    for name, value in pipeline.vars.items():
        try:
            values[name] = renderer.render_tree(value, names)
            check_characters(json.dumps(values[name], ensure_ascii=False))
        except ValueError as error:
            problem = Problem(
                shown_file(pipeline.file), 0, 0, f"the variable `{name}` (`vars`) cannot be computed: {error}"
            )
            raise PipelineError([problem]) from error
    return values


def connections_of(
    pipeline: Pipeline, params: Mapping[str, Any], values: Mapping[str, Any], run: Mapping[str, Any], world: World
) -> Mapping[str, Connection]:
    """The pipeline's connections, each computed when it is first used; `values` are those of its `vars`."""
    if not pipeline.connections:
        return {}
    from pipectl.engine.connections import Connections

    names = {**_outer_names(pipeline, params, run, world), "vars": values, "secrets": world.secrets}
    return Connections(pipeline, names)


def _outer_names(pipeline: Pipeline, params: Mapping[str, Any], run: Mapping[str, Any], world: World) -> dict[str, Any]:
    """What expressions see that belong to no task."""
    return {
        "params": params,
        "run": run,
        "env": caller_environment(world.environ, world.env_file, world.hidden),
        "pipeline": {"name": pipeline.name, "dir": pipeline.folder},
    }
