-- AutoAttack consists of several attacks: how many images stood behind each of them, and which one is under way.
ALTER TABLE evaluations ADD COLUMN standing TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN attack_progress TEXT NOT NULL DEFAULT 'null';
