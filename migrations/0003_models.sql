-- Models that were imported. The model that a run left lies in the run's folder and has no row here.
CREATE TABLE models (
    -- AUTOINCREMENT: an id names a file and stands in specs, so it is never given away twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    -- What the person who imported it called the file; only words, never a path.
    file_name TEXT NOT NULL,
    architecture TEXT NOT NULL,
    -- The names of the classes as a JSON list.
    classes TEXT NOT NULL,
    -- The dataset whose classes they are, empty where they are only numbered.
    dataset TEXT NOT NULL,
    method TEXT NOT NULL,
    parameters INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- What was done at the import, a JSON list of sentences.
    notes TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- The imported model that an evaluation is of.
ALTER TABLE runs ADD COLUMN model INTEGER REFERENCES models (id);

CREATE INDEX runs_by_model ON runs (model) WHERE model IS NOT NULL;
