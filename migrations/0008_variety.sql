-- Images that were not answered, as the model's logits were not finite numbers; they count as wrong.
ALTER TABLE evaluations ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
-- How varied answers and features are without an attack, as JSON; NULL under an attack, and where it was not measured.
ALTER TABLE evaluations ADD COLUMN variety TEXT;
