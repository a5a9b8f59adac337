-- Win rate of each transfer over the fully supervised network of its target:
-- as printed for published studies, from exact counts for trained ones. The network itself
-- has 0.5; trained with several seeds, it is taken together.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW quality AS
WITH baseline AS (
    SELECT study, target, transfer_id, digest FROM transfer WHERE kind = 'task-specific'
)
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.quality
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.quality IS NOT NULL
UNION ALL
SELECT
    w.study,
    w.target,
    w.transfer_id,
    (sum(w.wins) + sum(w.ties) / 2) / sum(w.images)
FROM win_rate AS w
ANTI JOIN baseline AS itself USING (study, transfer_id)
JOIN baseline ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
GROUP BY w.study, w.target, w.transfer_id
HAVING sum(w.images) > 0
UNION ALL
SELECT study, target, transfer_id, 0.5
FROM baseline
WHERE digest IN (SELECT digest FROM trial UNION ALL SELECT digest FROM trial_result);
COMMENT ON VIEW quality IS 'Win rate of each transfer over the fully supervised network of its target';
COMMENT ON COLUMN quality.study IS 'Study';
COMMENT ON COLUMN quality.target IS 'Task served';
COMMENT ON COLUMN quality.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN quality.quality IS 'Win rate over the task-specific network, 0 to 1';
