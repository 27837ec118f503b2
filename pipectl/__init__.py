"""pipectl runs pipelines declared in one YAML file, in parallel on this machine, and resumes what was interrupted.

`Pipeline` and `task` make such pipelines in Python.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pipectl.authoring.functions import task
    from pipectl.authoring.tasks import Pipeline
    from pipectl.errors import PipectlError, PipelineError

__version__ = "0.1.0"
__all__ = ["PipectlError", "Pipeline", "PipelineError", "task"]

_MODULES = {
    "Pipeline": "pipectl.authoring.tasks",
    "task": "pipectl.authoring.functions",
    "PipectlError": "pipectl.errors",
    "PipelineError": "pipectl.errors",
}


def __getattr__(name: str) -> object:
    """The names above, imported when they are asked for: the command, which imports this too, has no use for them."""
    if name not in _MODULES:
        raise AttributeError(f"module `pipectl` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
