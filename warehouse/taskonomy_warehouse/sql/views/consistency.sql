-- How far a target's win ratios are from being consistent, R[i,k] = R[i,j] · R[j,k]: Saaty's index
-- (λ - n) / (n - 1), λ being the principal eigenvalue and n the number of ranked transfers. It is 0
-- where one ranking explains every comparison. λ = Σ R[i,j]·A[j], for affinities A that sum to 1.
-- grain: study, target
CREATE OR REPLACE VIEW consistency AS
WITH ranked_pair AS (
    SELECT r.study, r.rival_id, r.ratio
    FROM win_ratio AS r
    SEMI JOIN computed_affinity AS a USING (study, transfer_id)
),
beaten AS (  -- per transfer, the sum of its column of R, Harker's diagonal left for later
    SELECT a.study, a.target, a.affinity, coalesce(sum(r.ratio), 0) AS ratios, count(r.ratio) AS rivals
    FROM computed_affinity AS a
    LEFT JOIN ranked_pair AS r ON (r.study, r.rival_id) = (a.study, a.transfer_id)
    GROUP BY a.study, a.target, a.transfer_id, a.affinity
),
eigen AS (
    SELECT study, target, n AS transfers, sum(affinity * (ratios + n - rivals)) AS eigenvalue
    FROM (SELECT *, count(*) OVER (PARTITION BY study, target) AS n FROM beaten)
    GROUP BY ALL
)
SELECT
    study,
    target,
    transfers,
    eigenvalue,
    CASE WHEN transfers > 1 THEN (eigenvalue - transfers) / (transfers - 1) END AS consistency_index
FROM eigen;
COMMENT ON VIEW consistency IS 'Saaty''s consistency index of each target''s win ratios';
COMMENT ON COLUMN consistency.study IS 'Study';
COMMENT ON COLUMN consistency.target IS 'Task served';
COMMENT ON COLUMN consistency.transfers IS 'Transfers ranked';
COMMENT ON COLUMN consistency.eigenvalue IS 'Principal eigenvalue of the win ratios';
COMMENT ON COLUMN consistency.consistency_index IS '0 where one ranking explains every comparison; NULL for a single transfer';
