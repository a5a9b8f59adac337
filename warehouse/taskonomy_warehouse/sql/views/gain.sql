-- Win rate of each transfer over the network trained from scratch on the same data:
-- as printed for published studies, from exact counts for trained ones. The network itself
-- has 0.5; trained with several seeds, it is taken together.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW gain AS
WITH baseline AS (
    SELECT study, target, transfer_id, digest FROM transfer WHERE kind = 'scratch'
)
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.gain
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.gain IS NOT NULL
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
COMMENT ON VIEW gain IS 'Win rate of each transfer over the network trained from scratch on the same data';
COMMENT ON COLUMN gain.study IS 'Study';
COMMENT ON COLUMN gain.target IS 'Task served';
COMMENT ON COLUMN gain.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN gain.gain IS 'Win rate over scratch, 0 to 1';
