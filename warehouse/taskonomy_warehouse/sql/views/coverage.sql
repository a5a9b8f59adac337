-- What is missing: first-order transfers a study's roles call for that have no affinity yet.
-- grain: study, target, source
CREATE OR REPLACE VIEW coverage AS
SELECT
    t.study,
    t.task AS target,
    s.task AS source,
    any_value(m.affinity) IS NOT NULL AS measured
FROM task AS t
JOIN task AS s ON s.study = t.study AND s.role IN ('both', 'source-only')
LEFT JOIN measured_transfer AS m
    ON m.study = t.study AND m.target = t.task AND m.kind = 'transfer' AND m.sources = [s.task]
WHERE t.role IN ('both', 'target-only')
GROUP BY t.study, t.task, s.task;
COMMENT ON VIEW coverage IS 'First-order transfers the roles call for, and whether each has an affinity';
COMMENT ON COLUMN coverage.study IS 'Study';
COMMENT ON COLUMN coverage.target IS 'Task to serve';
COMMENT ON COLUMN coverage.source IS 'Task to transfer from';
COMMENT ON COLUMN coverage.measured IS 'Whether its affinity is known';
