-- The state of all runs. Events are the truth about a run; `runs.state` repeats what the last of them says.
-- A change here is a new VERSION, and needs a way from the one before: see migrations.py.

CREATE TABLE pipelines (           -- a name belongs to one file of a state
    name TEXT PRIMARY KEY,
    file TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE definitions (         -- what was loaded and checked, ready to build: `sources` are the files and their hashes
    key      TEXT PRIMARY KEY,
    main     TEXT NOT NULL,        -- of the first source: its path, its hash and pipectl's version
    sources  TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX definitions_by_main ON definitions (main);

CREATE TABLE runs (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    pipeline     TEXT NOT NULL REFERENCES pipelines (name),
    definition   TEXT NOT NULL REFERENCES definitions (key),
    params       TEXT NOT NULL,
    vars         TEXT NOT NULL,
    options      TEXT NOT NULL,
    cause        TEXT NOT NULL,
    logical_time TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'success', 'failed', 'cancelled')),
    started      REAL NOT NULL,
    ended        REAL,
    taken        REAL NOT NULL,        -- when its newest runner took it up
    seconds      REAL NOT NULL         -- how long runners that ended it worked at it, all together
);
CREATE INDEX runs_by_pipeline ON runs (pipeline, number);

CREATE TABLE events (              -- the key also fences: of two runners of one run, the second to write fails
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    at       REAL NOT NULL,
    kind     TEXT NOT NULL,
    instance TEXT,
    data     TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE outputs (             -- of the newest success of each instance, as JSON
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    instance TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (run, instance)
);

CREATE TABLE logs (                -- short ones whole; of long ones the file, below logs/, and the end
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    instance TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    file     TEXT,
    text     BLOB NOT NULL,
    PRIMARY KEY (run, instance, attempt)
);

CREATE TABLE cache (               -- what successes depended on and left, the newest few of each instance
    pipeline TEXT NOT NULL,
    instance TEXT NOT NULL,
    key      TEXT NOT NULL,
    at       REAL NOT NULL,
    run      INTEGER REFERENCES runs (number) ON DELETE SET NULL,
    output   TEXT,
    parts    BLOB NOT NULL,        -- of the key: compressed JSON
    files    BLOB NOT NULL,        -- that it left: likewise
    PRIMARY KEY (pipeline, instance, key)
);
CREATE INDEX cache_by_run ON cache (run);

CREATE TABLE requests (            -- what others ask of the runner of a run
    number INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL,
    data   TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX requests_by_run ON requests (run, number);
