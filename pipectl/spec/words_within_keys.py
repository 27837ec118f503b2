"""Keys of other tools that people try within waits, approvals, sub-pipelines, pools, resources and caches."""

from __future__ import annotations

LEVELS: dict[str, tuple[tuple[str, str], ...]] = {
    "Wait": (
        ("path glob files filepath filename", "write `file: PATH`"),
        ("url uri endpoint", "write `http: URL`"),
        ("query connection database", "write `sql: {connection: …, query: …}`"),
        ("script command cmd bash sh", "write `shell: …`"),
        ("call code", "write `python: …`"),
        ("dag pipeline workflow external_dag_id external_task_id", "write `run: {pipeline: NAME}`"),
        ("duration seconds minutes sleep delay time pause", "write `for: 10m`"),
        ("at date datetime target_time moment", "write `until: TIME`"),
        ("condition when check response_check", "write `expect: …`, an expression over `output`"),
        ("poke_interval poll_interval every period delay_between", "write `interval: 30s`"),
        ("retries max_attempts attempts", "write `timeout: 1d`: it looks until then"),
        ("timeout_sec max_wait time_limit", "write `timeout: 1d`"),
        ("soft_fail silent_fail", "write `on_timeout: skip`"),
        ("mode deferrable exponential_backoff", "remove it: a wait holds no slot"),
    ),
    "Sub-pipeline": (
        ("path name pipeline workflow source uses template", "write `file: FILE.yaml`"),
        ("with args arguments parameters inputs vars conf values", "write `params: {NAME: value}`"),
        ("env secrets defaults", "its file says its own; what it is to be told goes by `params`"),
        ("needs foreach when trigger", "it stands beside `pipeline`, not in it"),
    ),
    "SQL of a wait": (
        ("sql statement command select", "write `query:`"),
        ("sql_file script path", "write `file: FILE.sql`"),
        (
            "conn_id connection_id conn database db url",
            "write `connection: NAME`, with `connections: {NAME: {url: …}}` at the top of the file",
        ),
        ("params parameters args with values", "write `{{ params.NAME }}` in the SQL: it becomes a bound parameter"),
        ("load save once transaction", "remove it: a wait only asks"),
    ),
    "Run of a pipeline": (
        ("name dag dag_id external_dag_id workflow file", "write `pipeline: NAME`"),
        ("task_id external_task_id", "write `task: NAME`"),
        ("date execution_date logical_date at", "write `logical_time: …`"),
        ("execution_delta offset delta", "write `logical_time: \"{{ run.logical_time | plus('-1h') }}\"`"),
    ),
    "Approval": (
        ("message text prompt title body subject ask", "write `question: …`"),
        ("parameters inputs fields form input schema", "write `params: {NAME: {type: string}}`"),
        ("default on_expire", "write `on_timeout: approve`"),
        ("retries interval", "remove it: the question is asked once"),
        ("on_denied on_decline reject", "write `on_reject: skip`"),
        ("approvers users groups assignees", "remove it: whoever may write the state may answer"),
    ),
    "Pool": (
        ("size limit max count concurrency capacity max_parallel", "write `slots: 4`"),
        ("rate_limit throttle per limit_per", "write `rate: 60/1m`"),
    ),
    "Resources": (
        ("cpus cores threads slots", "write `cpu: 2`"),
        ("mem ram memory_limit mem_limit", "write `memory: 4G`"),
        ("gpus nvidia cuda devices", "write `gpu: 1`"),
        ("requests limits", "write `resources: {cpu: 2, memory: 4G, gpu: 1}`"),
    ),
    "Cache": (
        ("sources deps dependencies files in reads", "write `inputs: [FILE, …]`"),
        ("generates outs products targets paths path out writes", "write `outputs: [FILE, …]`"),
        ("max_age expires expire duration lifetime", "write `ttl: 1d`"),
        ("params env vars version", 'write `key: "{{ … }}"`'),
    ),
}
"""By the title of the level in the schema: words, and the hint for each of them."""
