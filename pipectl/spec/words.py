"""Keys that people try: those of other tools, those of another level of the file, and those this version lacks."""

from __future__ import annotations

from collections.abc import Iterable

_TOP, _TASK, _DEFAULTS = "pipectl pipeline", "Task", "Defaults of tasks"  # titles of the schema name the levels

_UNSUPPORTED_AT_TOP = frozenset(
    {"connections", "pools", "gpus", "deadline", "overlap", "keep", "schedule", "notify"},
)
_UNSUPPORTED_IN_TASK = frozenset(
    {"sql", "http", "wait", "approve", "send", "pipeline", "tasks", "foreach", "key", "pool", "resources", "cache"},
) | {"max_parallel", "fail_fast", "notify", "deadline"}
_UNSUPPORTED = {_TOP: _UNSUPPORTED_AT_TOP, _TASK: _UNSUPPORTED_IN_TASK, _DEFAULTS: _UNSUPPORTED_IN_TASK}

_TASKS = "write `tasks:`, a mapping of names to tasks"
_SCRIPT = "write `shell: …` (a text is a script, a list a program with its arguments)"
_AT_THE_TOP = "it stands at the top of the file"
_BY_CRON = "pipectl runs from cron or by hand: `pipectl run FILE`"
_SHELL_OPTION = "it is an option of a type: `shell: {script: …, …}`"
_PYTHON_OPTION = "it is an option of a type: `python: {call: …, …}`"
_LEVELS: dict[str, tuple[tuple[str, str], ...]] = {
    _TOP: (
        ("steps jobs stages stage dag dags task pipeline targets rules", _TASKS),
        ("variables variable var constants", "write `vars:` for constants, `env:` for the environment"),
        ("parameters inputs args config", "write `params:`"),
        ("environment", "write `env:`"),
        ("default default_args", "write `defaults:`"),
        ("includes import imports extends", "write `include: [file.yaml]`"),
        ("dotenv envfile env-file", "write `env_file: .env`"),
        ("concurrency parallel parallelism max_active_tasks maxActiveRuns", "write `max_parallel: 4`"),
        ("on cron", _BY_CRON),
        ("timeoutSec timeout_sec timeout-minutes", "write `timeout: 1h`"),
        ("version apiVersion kind", "remove it: a file has no version"),
    ),
    _TASK: (
        ("run command cmd cmds commands bash sh exec bash_command shell_command script argv", _SCRIPT),
        ("steps", f"each step is a task of its own: {_TASKS}"),
        ("depends depends_on dependsOn deps dependencies after upstream requires require", "write `needs: [a, b]`"),
        ("if condition only_if preconditions unless", "write `when: params.env == 'prod'`"),
        (
            "retry retry_policy retryPolicy attempts max_retries retry_delay",
            "write `retries: 3`, or `retries: {max: 3, delay: 10s}`",
        ),
        (
            "matrix strategy with_items loop for_each parallel items",
            "`foreach` is not supported by this version of pipectl: write a task for each value",
        ),
        (
            "continue-on-error continue_on_error continueOn ignore_errors ignore_error soft_fail",
            "write `allow_failure: true`",
        ),
        ("working-directory working_directory workingDir workdir dir directory chdir", "write `cwd: folder`"),
        ("environment variables vars", 'write `env: {NAME: "value"}`'),
        ("timeout-minutes timeoutSec timeout_sec execution_timeout time_limit", "write `timeout: 10m`"),
        ("trigger_rule triggerRule run_if", "write `trigger: all_done`"),
        ("id name task_id label", "a task's name is its key: `tasks: {NAME: {shell: …}}`"),
        ("type kind uses operator", "a task's type is a key: `shell: …` or `python: …`"),
        ("schedule cron", _BY_CRON),
        ("signal signalOnStop kill_signal", "write `stop_signal: SIGINT`"),
        ("interpreter output skip_exit_code background", _SHELL_OPTION),
        ("with args preload", _PYTHON_OPTION),
        ("call function callable python_callable", "write `python: package.module:function`"),
        ("code", "write `python: |` and the code below it"),
        ("params", "parameters are declared at the top of the file; a task reads `$PARAM_NAME`"),
        ("secrets", "secrets are declared at the top of the file; a task names them in its `env`"),
        ("env_file include", _AT_THE_TOP),
    ),
    _DEFAULTS: (("needs", "each task says its own `needs`"), ("env_file include params secrets", _AT_THE_TOP)),
    "Shell task": (
        ("run command cmd bash code", "write `script:`"),
        ("args arguments", "write `argv: [program, argument]`"),
        ("shell executable", "write `interpreter: sh`"),
        ("env cwd timeout retries", "it is a key of the task, beside `shell`"),
        ("capture", "write `output: text`, `lines` or `json`"),
    ),
    "Python task": (
        ("function callable python_callable", "write `call: package.module:function`"),
        ("kwargs op_kwargs params inputs arguments", "write `with: {name: value}`"),
        ("file path", "write `script: file.py`"),
        ("inline source run", "write `code: |` and the code below it"),
        ("env cwd timeout retries", "it is a key of the task, beside `python`"),
        ("venv python executable", "write `interpreter: .venv/bin/python`"),
        ("import imports modules", "write `preload: [module]`"),
        ("output", "inline code sets `output`; the value that a function returns is its output"),
    ),
    "Retries": (
        ("limit count attempts retries max_attempts times", "write `max: 3`"),
        ("interval wait sleep intervalSec retry_delay seconds", "write `delay: 10s`"),
        ("exponential factor multiplier", "write `backoff: 2`"),
        ("exit_code exit_codes exitCode if when", "write `on: [75, timeout]`"),
        ("timeout max_time", "write `max_elapsed: 1h`"),
    ),
    "Secret": (
        ("from var variable environment name", "write `{env: NAME}`"),
        ("path", "write `{file: PATH}`"),
        ("cmd run exec shell", "write `{command: [program, argument]}`"),
        ("value default", "a secret's value does not stand in the file: write `{env: NAME}`"),
    ),
}
_HINTS = {level: {word: hint for words, hint in rows for word in words.split()} for level, rows in _LEVELS.items()}
_HINTS[_DEFAULTS] = {**_HINTS[_TASK], **_HINTS[_DEFAULTS]}


def explain_unknown(level: str, key: str, known: Iterable[str], task_keys: Iterable[str] = ()) -> tuple[str, str]:
    """Message and hint for a key that the level (the title of its schema) does not have."""
    if key in _UNSUPPORTED.get(level, ()):
        return f"`{key}` is not supported by this version of pipectl", ""
    message = f"unknown key `{key}`"
    if hint := _HINTS.get(level, {}).get(key):
        return message, hint
    if near := did_you_mean(key, known):
        return message, near
    if level == _TOP and key in task_keys:
        return message, f"`{key}` is a key of a task: indent it under the task's name"
    return message, "keys here are " + ", ".join(f"`{name}`" for name in known)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint that names the nearest known word, empty where none is near."""
    by_fold = {_folded(name): name for name in known}
    folded = _folded(word)
    from difflib import get_close_matches

    near = get_close_matches(folded, by_fold, n=1, cutoff=0.6)
    if not near and len(folded) >= 3:
        near = [name for name in by_fold if name.endswith(folded) or folded.endswith(name)][:1]
    return f"did you mean `{by_fold[near[0]]}`?" if near else ""


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")
