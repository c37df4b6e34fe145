-- KD has a choice of how its KL is averaged, and since then another default than what it did before. What was launched before
-- says what it did, so that it is never averaged with later runs, and a clone of it is trained alike. RepDistiller's preset names
-- that choice itself.
UPDATE runs
SET variant = 'KL reduction batch_mean' || iif(variant = '', '', ', ' || variant)
WHERE method IN ('kd', 'kd+aft') AND kind <> 'analyse' AND is_teacher = 0
  AND experiment NOT IN (
      SELECT experiments.id
      FROM experiments, json_each(iif(json_valid(experiments.spec), experiments.spec, '{}'), '$.sweeps') AS sweep
      WHERE sweep.value ->> 'method' = 'kd' AND sweep.value ->> 'path' = 'preset'
  );

UPDATE experiments
SET spec = json_set(
    spec, '$.sweeps',
    json('[{"method":"kd","path":"method.reduction","values":["batch_mean"]}' || iif(
        json_array_length(spec, '$.sweeps') > 0, ',' || substr(json_extract(spec, '$.sweeps'), 2), ']'
    ))
)
WHERE json_valid(spec)
  AND EXISTS (SELECT 1 FROM json_each(spec, '$.methods') WHERE value IN ('kd', 'kd+aft'))
  AND NOT EXISTS (
      SELECT 1 FROM json_each(spec, '$.sweeps') WHERE value ->> 'method' = 'kd' AND value ->> 'path' = 'preset'
  );
