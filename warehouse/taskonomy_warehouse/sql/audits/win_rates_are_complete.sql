-- Every two networks of a target whose losses are here must have been compared, in both directions.
-- Returns pairs that were not.
WITH measured AS (
    SELECT study, target, transfer_id FROM transfer SEMI JOIN trial USING (digest)
)
SELECT a.study, a.target, a.transfer_id, b.transfer_id AS rival_id
FROM measured AS a
JOIN measured AS b USING (study, target)
ANTI JOIN win_rate AS w
    ON (w.study, w.target, w.transfer_id, w.rival_id)
     = (a.study, a.target, a.transfer_id, b.transfer_id)
WHERE a.transfer_id <> b.transfer_id;
