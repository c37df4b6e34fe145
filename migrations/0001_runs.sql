-- Times are RFC 3339 in UTC with milliseconds, so that their order as text is their order in time.

CREATE TABLE experiments (
    -- AUTOINCREMENT: an id stands in links and folder names, so it is never given away twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    kind TEXT NOT NULL CHECK (kind IN ('train', 'evaluate')),
    method TEXT NOT NULL,
    architecture TEXT NOT NULL,
    teacher TEXT,
    is_teacher INTEGER NOT NULL CHECK (is_teacher IN (0, 1)),
    dataset TEXT NOT NULL,
    -- The 64 bits of the unsigned seed, read as a signed number.
    seed INTEGER NOT NULL,
    -- The device that the spec names; computed_on is the one that the worker found.
    device TEXT NOT NULL,
    computed_on TEXT,
    spec TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'starting', 'running', 'finished', 'failed', 'cancelled', 'lost')),
    state_cause TEXT NOT NULL,
    state_since TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    -- How often a worker vanished since a person last queued the run.
    losses INTEGER NOT NULL DEFAULT 0,
    -- The run whose end made this one fail, so that resuming that one queues this one again.
    failed_need INTEGER REFERENCES runs (id),
    cancel_requested_at TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    stage TEXT,
    epoch INTEGER,
    epochs INTEGER,
    done REAL,
    seconds_left REAL,
    -- Seconds of computing over all attempts, known once the run has finished.
    seconds REAL,
    -- The journal is read up to this byte.
    journal_offset INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX runs_by_experiment ON runs (experiment, id);
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_method ON runs (method, id);
CREATE INDEX runs_by_architecture ON runs (architecture, id);
CREATE INDEX runs_by_dataset ON runs (dataset, id);
CREATE INDEX runs_by_failed_need ON runs (failed_need) WHERE failed_need IS NOT NULL;
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE run_needs (
    run INTEGER NOT NULL REFERENCES runs (id),
    needs INTEGER NOT NULL REFERENCES runs (id),
    PRIMARY KEY (run, needs)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_needs_backwards ON run_needs (needs);

CREATE TABLE attempts (
    run INTEGER NOT NULL REFERENCES runs (id),
    attempt INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    -- The state that the run went to at the attempt's end.
    outcome TEXT,
    cause TEXT,
    device TEXT,
    threads INTEGER,
    version TEXT,
    resumed_epochs INTEGER,
    PRIMARY KEY (run, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE state_changes (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    at TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    cause TEXT NOT NULL,
    attempt INTEGER NOT NULL
) STRICT;

CREATE INDEX state_changes_by_run ON state_changes (run, id);

-- The epoch is counted over all stages, so that (run, key, epoch) names one figure: a resumed run that reports an epoch
-- again replaces it.
CREATE TABLE metrics (
    run INTEGER NOT NULL REFERENCES runs (id),
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    stage TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run, key, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluations (
    run INTEGER NOT NULL REFERENCES runs (id),
    -- The attack as JSON, empty for the natural accuracy.
    attack TEXT NOT NULL,
    title TEXT NOT NULL,
    position INTEGER NOT NULL,
    correct INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (run, attack)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_lines (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    at TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('info', 'warning')),
    message TEXT NOT NULL
) STRICT;

CREATE INDEX log_lines_by_run ON log_lines (run, id);
