-- What is missing: first-order transfers a study's roles call for that have no affinity yet. One is
-- measured once one of its seeds is; `seeds` says how many are.
-- grain: study, target, source
CREATE OR REPLACE VIEW coverage AS
SELECT
    t.study,
    t.task AS target,
    s.task AS source,
    count(m.affinity) > 0 AS measured,
    count(m.affinity) AS seeds,
    coalesce(any_value(json_array_length(d.document, '$.spec.training.transfer.seeds')), 1) AS seeds_asked
FROM task AS t
JOIN task AS s ON s.study = t.study AND s.role IN ('both', 'source-only')
LEFT JOIN study_document AS d ON d.study = t.study
LEFT JOIN measured_transfer AS m
    ON m.study = t.study AND m.target = t.task AND m.kind = 'transfer' AND m.sources = [s.task]
WHERE t.role IN ('both', 'target-only')
GROUP BY t.study, t.task, s.task;
COMMENT ON VIEW coverage IS 'First-order transfers the roles call for, and whether each has an affinity';
COMMENT ON COLUMN coverage.study IS 'Study';
COMMENT ON COLUMN coverage.target IS 'Task to serve';
COMMENT ON COLUMN coverage.source IS 'Task to transfer from';
COMMENT ON COLUMN coverage.measured IS 'Whether its affinity is known, of one seed at least';
COMMENT ON COLUMN coverage.seeds IS 'Seeds whose affinity is known';
COMMENT ON COLUMN coverage.seeds_asked IS 'Seeds that the study asks for; 1 for published measurements';
