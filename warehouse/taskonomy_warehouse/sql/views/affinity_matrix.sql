-- First-order transfers as a matrix, targets by sources; the diagonal is the target's own encoder.
-- Seeds count as their mean.
-- grain: study, target, source
CREATE OR REPLACE VIEW affinity_matrix AS
SELECT
    m.study,
    target,
    sources[1] AS source,
    affinity,
    affinity / sum(affinity) OVER of_target AS share,
    exp(-20 * affinity / sum(affinity) OVER of_target) AS distance,
    gain,
    quality
FROM transfer_mean AS m
JOIN task ON task.study = m.study AND task.task = m.sources[1]
WHERE kind = 'transfer' AND transfer_order = 1 AND affinity IS NOT NULL AND task.role <> 'unused'
WINDOW of_target AS (  -- added up in one order, so that the same data gives the same bits
    PARTITION BY m.study, target ORDER BY transfer_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
);
COMMENT ON VIEW affinity_matrix IS 'First-order affinities, targets by sources; the diagonal is the target''s own encoder';
COMMENT ON COLUMN affinity_matrix.study IS 'Study';
COMMENT ON COLUMN affinity_matrix.target IS 'Task served';
COMMENT ON COLUMN affinity_matrix.source IS 'Task whose encoder it is transferred from';
COMMENT ON COLUMN affinity_matrix.affinity IS 'Affinity';
COMMENT ON COLUMN affinity_matrix.share IS 'P1: affinity as a share of the target''s first-order affinities, sums to 1 per target';
COMMENT ON COLUMN affinity_matrix.distance IS 'exp(-20 P1), as the paper draws it: lower is better';
COMMENT ON COLUMN affinity_matrix.gain IS 'Win rate over scratch';
COMMENT ON COLUMN affinity_matrix.quality IS 'Win rate over the task-specific network';
