"""Keys that people try: those of other tools, those of another level of the file, and those this version lacks."""

from __future__ import annotations

from collections.abc import Iterable

from pipectl.spec.words_within_keys import LEVELS

_TOP, _TASK, _DEFAULTS = "pipectl pipeline", "Task", "Defaults of tasks"  # titles of the schema name the levels

_UNSUPPORTED_AT_TOP = frozenset(
    {"deadline", "overlap", "keep", "schedule", "notify"},
)
_UNSUPPORTED_IN_TASK = frozenset(
    {"send", "notify", "deadline"},
)
_UNSUPPORTED = {_TOP: _UNSUPPORTED_AT_TOP, _TASK: _UNSUPPORTED_IN_TASK, _DEFAULTS: _UNSUPPORTED_IN_TASK}

_TASKS = "write `tasks:`, a mapping of names to tasks"
_SCRIPT = "write `shell: …` (a text is a script, a list a program with its arguments)"
_AT_THE_TOP = "it stands at the top of the file"
_BY_CRON = "pipectl runs from cron or by hand: `pipectl run FILE`"
_SHELL_OPTION = "it is an option of a type: `shell: {script: …, …}`"
_PYTHON_OPTION = "it is an option of a type: `python: {call: …, …}`"
_SQL_OPTION = "it is an option of a type: `sql: {connection: …, query: …}`"
_SUB_PIPELINE = "write `pipeline: FILE.yaml`, or `pipeline: {file: FILE.yaml, params: {…}}`"
_HTTP_OPTION = "it is an option of a type: `http: {url: …, …}`"
_CONNECTION = "write `connection: NAME`, with `connections: {NAME: {url: …}}` at the top of the file"
_BOUND = "write `{{ params.NAME }}` in the SQL: it becomes a bound parameter"
_BODY = "write `json:`, `form:`, `data:` (text) or `body_file:`"
_BEARER = 'write `auth: {bearer: "{{ secrets.TOKEN }}"}`'
_USER = 'write `auth: {user: …, password: "{{ secrets.PASSWORD }}"}`'
_STATUSES = "write `expect_status: [2xx, 404]`"
_IN_URL = "it is part of the `url`: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`"
_POOL = "declare `pools: {NAME: 1}` at the top of the file, and write `pool: NAME` in the tasks"
_RESOURCES = "write `resources: {cpu: 2, memory: 4G, gpu: 1}`"
_CACHE = "write `cache: {inputs: [FILE, …], outputs: [FILE, …]}`"
_WAIT_OPTION = "it is an option of a wait: `wait: {file: PATH, …}`"
_APPROVE_OPTION = "it is an option of an approval: `approve: {question: …, …}`"
_LEVELS: dict[str, tuple[tuple[str, str], ...]] = {
    _TOP: (
        ("steps jobs stages stage dag dags task pipeline targets rules", _TASKS),
        ("variables variable var constants", "write `vars:` for constants, `env:` for the environment"),
        ("parameters inputs args config", "write `params:`"),
        ("environment", "write `env:`"),
        ("default default_args", "write `defaults:`"),
        ("connection conns conn databases database db datasources", "write `connections: {NAME: {url: …}}`"),
        ("includes import imports extends", "write `include: [file.yaml]`"),
        ("dotenv envfile env-file", "write `env_file: .env`"),
        ("concurrency parallel parallelism max_active_tasks maxActiveRuns", "write `max_parallel: 4`"),
        ("on cron", _BY_CRON),
        ("pool resource_pools concurrency_groups semaphores limits", "write `pools: {NAME: 4}`"),
        ("rate rate_limit rate_limits throttle", "write `pools: {NAME: {rate: 60/1m}}`, and `pool: NAME` in the tasks"),
        ("gpu devices nvidia cuda", "write `gpus: 2`"),
        ("timeoutSec timeout_sec timeout-minutes", "write `timeout: 1h`"),
        ("version apiVersion kind", "remove it: a file has no version"),
    ),
    _TASK: (
        ("run command cmd cmds commands bash sh exec bash_command shell_command script argv", _SCRIPT),
        ("steps jobs", f"each step is a task of its own: {_TASKS}"),
        ("depends depends_on dependsOn deps dependencies after upstream requires require", "write `needs: [a, b]`"),
        ("if condition only_if preconditions unless", "write `when: params.env == 'prod'`"),
        (
            "retry retry_policy retryPolicy attempts max_retries retry_delay",
            "write `retries: 3`, or `retries: {max: 3, delay: 10s}`",
        ),
        ("matrix strategy dimensions", "write `foreach: {NAME: [a, b], …}`"),
        (
            "with_items withItems withParam with_param withSequence loop for_each forEach for each items item map"
            " mapped expand scatter parallel",
            "write `foreach: [a, b]`, and `item` for the value",
        ),
        ("exclude", "write `foreach: {NAME: [a, b], exclude: [{NAME: a}]}`"),
        ("max-parallel parallelism max_workers batch_size max_active_tis_per_dag", "write `max_parallel: 4`"),
        (
            "task_group taskGroup group groups children subtasks sub_tasks block dag subdag sequence",
            "write `tasks: {NAME: {shell: …}}`: a task that holds tasks is a group",
        ),
        (
            "workflow workflow_call sub_pipeline subpipeline sub_dag subflow flow child trigger_dag trigger_dag_id"
            " template templateRef include_file",
            _SUB_PIPELINE,
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
        ("type kind operator", "a task's type is a key: `shell: …` or `python: …`"),
        ("uses", "write a type, such as `shell: …`, or `pipeline: FILE.yaml` for another pipeline"),
        ("schedule cron", _BY_CRON),
        ("signal signalOnStop kill_signal", "write `stop_signal: SIGINT`"),
        ("interpreter output skip_exit_code background", _SHELL_OPTION),
        ("with args preload", _PYTHON_OPTION),
        ("call function callable python_callable", "write `python: package.module:function`"),
        ("code", "write `python: |` and the code below it"),
        (
            "params",
            "a task reads `$PARAM_NAME` of those declared at the top of the file; another pipeline is given its own by"
            " `pipeline: {file: …, params: …}`",
        ),
        ("secrets", "secrets are declared at the top of the file; a task names them in its `env`"),
        ("sensor wait_for waitFor poke watch", "write `wait: PATH`, or `wait: {sql: …}`"),
        ("sleep delay pause wait_time", "write `wait: 10m`"),
        ("poke_interval poll_interval interval on_timeout", _WAIT_OPTION),
        ("approval manual manual_approval confirm gate prompt suspend review", "write `approve: QUESTION`"),
        ("question on_reject approvers", _APPROVE_OPTION),
        ("pools concurrency concurrency_group mutex semaphore lock synchronization synchronized", _POOL),
        (
            "rate rate_limit throttle",
            "write `pools: {NAME: {rate: 60/1m}}` at the top of the file, and `pool: NAME` here",
        ),
        ("slots pool_slots", "write `pool: {NAME: 2}`"),
        ("priority_weight weight nice", "write `priority: 10`"),
        ("limits requests memory memory_limit mem_limit mem ram cpu cpus threads cores gpu nvidia", _RESOURCES),
        ("gpus", f"{_RESOURCES}; how many there are stands at the top of the file"),
        ("memoize memo cached caching cache_key cache_policy fingerprint", _CACHE),
        ("sources generates inputs outputs outs products artifacts targets", _CACHE),
        ("ttl", "write `cache: {…, ttl: 1d}`"),
        ("env_file include connections", _AT_THE_TOP),
        ("query statement load fetch", _SQL_OPTION),
        ("url method headers expect_status", _HTTP_OPTION),
        (
            "connection conn_id",
            "it is an option of a type: `sql: {connection: …, query: …}`, `http: {connection: …, url: …}`",
        ),
        ("request curl rest api webhook httpRequest", "write `http: URL`, or `http: {url: URL, …}`"),
        ("postgres postgresql mysql sqlite duckdb database db", "write `sql: {connection: …, query: …}`"),
    ),
    _DEFAULTS: (
        ("needs", "each task says its own `needs`"),
        ("foreach key tasks pipeline max_parallel fail_fast", "each task says its own"),
        ("env_file include params secrets", _AT_THE_TOP),
    ),
    "Shell task": (
        ("run command cmd bash code", "write `script:`"),
        ("args arguments", "write `argv: [program, argument]`"),
        ("shell executable", "write `interpreter: sh`"),
        ("capture", "write `output: text`, `lines` or `json`"),
    ),
    "Python task": (
        ("function callable python_callable", "write `call: package.module:function`"),
        ("kwargs op_kwargs params inputs arguments", "write `with: {name: value}`"),
        ("file path", "write `script: file.py`"),
        ("inline source run", "write `code: |` and the code below it"),
        ("venv python executable", "write `interpreter: .venv/bin/python`"),
        ("import imports modules", "write `preload: [module]`"),
        ("output", "inline code sets `output`; the value that a function returns is its output"),
    ),
    "SQL task": (
        ("sql statement statements command cmd text", "write `query:`"),
        ("sql_file sqlfile script path", "write `file: FILE.sql`"),
        ("conn_id connection_id conn database db dsn uri url host", _CONNECTION),
        ("params parameters bind binds args arguments with variables values", _BOUND),
        ("output result return mode", "write `fetch: all`, `one`, `scalar` or `none`"),
        ("limit max fetch_size maxRows", "write `max_rows: 1000`"),
        ("to save_to output_file outfile export csv", "write `save: FILE.csv`"),
        ("table copy import insert", "write `load: {file: …, table: …}`"),
        ("autocommit auto_commit", "write `transaction: false`"),
        ("exactly_once idempotent", "write `once: true`"),
        ("template jinja", "write `render: false`"),
    ),
    "Load": (
        ("path source from csv", "write `file: FILE.csv`"),
        ("into target to schema", "write `table: NAME`"),
        ("if_exists write_disposition on_conflict truncate", "write `mode: append`, `replace` or `upsert`"),
        ("keys primary_key unique_key on", "write `key: [COLUMN]`"),
        ("filter partition", "write `where: {COLUMN: value}`"),
        ("fields", "write `columns: [NAME, …]`"),
        ("create_table auto_create", "write `create: true`"),
        ("format type", "the ending of `file` says it"),
        ("connection once", "it stands beside `load`, not in it"),
    ),
    "HTTP task": (
        ("uri endpoint path address host", "write `url:`"),
        ("verb type", "write `method: POST`"),
        ("header", "write `headers: {NAME: value}`"),
        ("body payload content", _BODY),
        ("params parameters query_params querystring args", "write `query: {NAME: value}`"),
        ("token bearer authorization", _BEARER),
        ("user username password basic credentials", _USER),
        ("status status_code status_codes expected_status success_codes response_check ok", _STATUSES),
        ("timeout_sec timeoutSec timeoutSeconds time_limit", "write `timeout: 30s`"),
        ("redirect redirects allow_redirects followRedirects", "write `follow_redirects: false`"),
        (
            "insecure skip_tls_verify skipTLSVerify insecureSkipVerify ssl ssl_verify tls ca cacert",
            "write `verify: false`, or `verify: FILE.pem`",
        ),
        ("output out to download file filename save_to", "write `save: FILE`"),
        ("upload", "write `body_file: FILE`"),
        ("retry", "write `retries: 3` in the task, beside `http`"),
        ("conn_id http_conn_id base base_url", _CONNECTION),
    ),
    "Connection": (
        ("uri dsn address endpoint base_url connection_string", "write `url:`"),
        ("host port database db dbname schema login username user password driver dialect type conn_type", _IN_URL),
        ("token bearer", _BEARER),
        ("header", "write `headers: {NAME: value}`"),
        ("insecure ssl ssl_verify tls ca", "write `verify: false`, or `verify: FILE.pem`"),
    ),
    "Authentication": (
        ("username login name", "write `user:`"),
        ("pass pwd secret", 'write `password: "{{ secrets.PASSWORD }}"`'),
        ("token", 'write `bearer: "{{ secrets.TOKEN }}"`'),
        ("basic type", "write `{user: …, password: …}`"),
        ("header api_key", "write `headers: {NAME: value}`, beside `auth`"),
    ),
    "Options of SQL tasks": (("query file load save", "each task says its own"),),
    "Options of HTTP tasks": (
        ("auth", "it belongs to a connection: `connections: {NAME: {url: …, auth: …}}`"),
        ("url base_url", "it belongs to a connection: `connections: {NAME: {url: …}}`"),
        ("method query json form data body_file save", "each task says its own"),
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
_TYPES = {
    "Shell task": "shell",
    "Python task": "python",
    "SQL task": "sql",
    "HTTP task": "http",
    "Wait": "wait",
    "Approval": "approve",
}
_HINTS = {
    level: {word: hint for words, hint in rows for word in words.split()}
    for level, rows in {**_LEVELS, **LEVELS}.items()
}
_HINTS[_DEFAULTS] = {**_HINTS[_TASK], **_HINTS[_DEFAULTS]}


def explain_unknown(level: str, key: str, known: Iterable[str], task_keys: Iterable[str] = ()) -> tuple[str, str]:
    """Message and hint for a key that the level (the title of its schema) does not have."""
    if key in _UNSUPPORTED.get(level, ()):
        return f"`{key}` is not supported by this version of pipectl", ""
    message = f"unknown key `{key}`"
    if hint := _HINTS.get(level, {}).get(key):
        return message, hint
    if level in _TYPES and key in task_keys:
        return message, f"it is a key of the task, beside `{_TYPES[level]}`"
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
