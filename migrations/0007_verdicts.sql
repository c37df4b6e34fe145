-- A masking check may not be able to tell. The column that says whether it passed makes room for its verdict.
ALTER TABLE checks ADD COLUMN verdict TEXT NOT NULL DEFAULT 'warning' CHECK (verdict IN ('pass', 'warning', 'cannot-tell'));
UPDATE checks SET verdict = 'pass' WHERE passed = 1;
ALTER TABLE checks DROP COLUMN passed;
