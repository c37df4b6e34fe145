-- Frozen copies of comparisons that a link opens. What is shown lies in a folder of its own, so that a share stays what it is
-- whatever becomes of the experiment; hence no reference to it.
CREATE TABLE shares (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment INTEGER NOT NULL,
    -- SHA-256 of the token, as base64url; the token itself is nowhere.
    token_hash TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_opened_at TEXT
) STRICT;

CREATE INDEX shares_by_experiment ON shares (experiment, id);
