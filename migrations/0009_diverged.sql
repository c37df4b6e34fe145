-- Runs may have diverged. SQLite cannot change a CHECK, but it can put another column in the place of the old one.
ALTER TABLE runs ADD COLUMN new_state TEXT NOT NULL DEFAULT 'queued'
    CHECK (new_state IN ('queued', 'starting', 'running', 'finished', 'failed', 'diverged', 'cancelled', 'lost'));
UPDATE runs SET new_state = state;
DROP INDEX runs_by_state;
ALTER TABLE runs DROP COLUMN state;
ALTER TABLE runs RENAME COLUMN new_state TO state;
CREATE INDEX runs_by_state ON runs (state, id);
