-- no-transaction
-- Runs may be linear probes, and a run's row of the comparison may be a variant of its method. SQLite cannot change a CHECK,
-- so the table is made anew; foreign keys point to its name and are checked again at the end.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

CREATE TABLE runs_with_variants (
    -- AUTOINCREMENT: an id stands in links and folder names, so it is never given away twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    kind TEXT NOT NULL CHECK (kind IN ('train', 'probe', 'evaluate')),
    method TEXT NOT NULL,
    -- What sets it apart from the method as published; mostly empty.
    variant TEXT NOT NULL,
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

INSERT INTO runs_with_variants
SELECT id, experiment, kind, method, '', architecture, teacher, is_teacher, dataset, seed, device, computed_on, spec, state,
       state_cause, state_since, attempt, losses, failed_need, cancel_requested_at, created_at, started_at, ended_at, stage,
       epoch, epochs, done, seconds_left, seconds, journal_offset
FROM runs;

DROP TABLE runs;
ALTER TABLE runs_with_variants RENAME TO runs;

CREATE INDEX runs_by_experiment ON runs (experiment, id);
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_method ON runs (method, id);
CREATE INDEX runs_by_architecture ON runs (architecture, id);
CREATE INDEX runs_by_dataset ON runs (dataset, id);
CREATE INDEX runs_by_failed_need ON runs (failed_need) WHERE failed_need IS NOT NULL;
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL;

COMMIT;
PRAGMA foreign_keys = ON;
