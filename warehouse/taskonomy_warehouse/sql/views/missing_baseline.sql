-- What a trained study's targets are judged by and is not there, or not with every seed asked for.
-- Without a network from scratch no transfer to the target has a gain; without its own network none
-- has a quality, and no taxonomy can serve it by itself; without a best guess `sanity` lacks a column.
-- grain: study, target, kind (with fewer seeds than asked)
CREATE OR REPLACE VIEW missing_baseline AS
WITH baseline AS (
    SELECT
        study,
        'task-specific' AS kind,
        json_array_length(document, '$.spec.training.taskSpecific.seeds') AS seeds,
        ['quality', 'sanity', 'significance', 'taxonomy_choice'] AS blocks
    FROM study_document
    UNION ALL
    SELECT
        study,
        'scratch',
        json_array_length(document, '$.spec.training.scratch.seeds'),
        ['gain', 'sanity', 'significance']
    FROM study_document
    UNION ALL
    SELECT study, 'best-guess', 1, ['sanity'] FROM study_document
),
there AS (
    SELECT study, target, kind, count(*) AS networks
    FROM transfer
    GROUP BY ALL
),
served AS (
    SELECT study, target, count(*) AS taxonomies FROM taxonomy_edge GROUP BY ALL
),
wanted AS (
    SELECT
        t.study,
        t.task AS target,
        b.kind,
        coalesce(x.networks, 0) AS seeds,
        coalesce(b.seeds, 1) AS seeds_asked,
        b.blocks
    FROM task AS t
    JOIN baseline AS b USING (study)
    LEFT JOIN there AS x ON (x.study, x.target, x.kind) = (t.study, t.task, b.kind)
    WHERE t.role IN ('both', 'target-only')
)
SELECT
    w.study,
    w.target,
    w.kind,
    w.seeds,
    w.seeds_asked,
    CASE WHEN w.seeds = 0 THEN w.blocks ELSE [] END AS blocks,
    CASE WHEN w.seeds = 0 AND w.kind <> 'best-guess' THEN coalesce(x.networks, 0) ELSE 0 END AS transfers,
    CASE WHEN w.seeds = 0 AND w.kind = 'task-specific' THEN coalesce(s.taxonomies, 0) ELSE 0 END AS taxonomies
FROM wanted AS w
LEFT JOIN there AS x ON (x.study, x.target, x.kind) = (w.study, w.target, 'transfer')
LEFT JOIN served AS s ON (s.study, s.target) = (w.study, w.target)
WHERE w.seeds < w.seeds_asked;
COMMENT ON VIEW missing_baseline IS 'Baselines of a trained study''s targets that are not there with every seed, and what that blocks';
COMMENT ON COLUMN missing_baseline.study IS 'Study';
COMMENT ON COLUMN missing_baseline.target IS 'Task to serve';
COMMENT ON COLUMN missing_baseline.kind IS 'task-specific, scratch or best-guess';
COMMENT ON COLUMN missing_baseline.seeds IS 'Seeds that are there';
COMMENT ON COLUMN missing_baseline.seeds_asked IS 'Seeds that the study asks for';
COMMENT ON COLUMN missing_baseline.blocks IS 'Views that lack something of the target; none while one seed is there';
COMMENT ON COLUMN missing_baseline.transfers IS 'Transfers to the target without a gain (scratch) or a quality (task-specific)';
COMMENT ON COLUMN missing_baseline.taxonomies IS 'Solved taxonomies that serve the target without the choice of its own network';
