-- Runs may be masking checks and analyses. SQLite cannot change a CHECK, but it can put another column in the place of the old one.
ALTER TABLE runs ADD COLUMN new_kind TEXT NOT NULL DEFAULT 'train'
    CHECK (new_kind IN ('train', 'probe', 'evaluate', 'masking', 'analyse'));
UPDATE runs SET new_kind = kind;
ALTER TABLE runs DROP COLUMN kind;
ALTER TABLE runs RENAME COLUMN new_kind TO kind;

CREATE TABLE checks (
    run INTEGER NOT NULL REFERENCES runs (id),
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    finding TEXT NOT NULL,
    -- The numbers by name, a JSON object.
    figures TEXT NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
