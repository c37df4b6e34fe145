-- “Losses” are what networks have in this database. From here on what sets a variant apart stands in its column as JSON; words
-- of before are read as such.
ALTER TABLE runs RENAME COLUMN losses TO lost_workers;
