-- Is a transfer better or worse than a baseline, or could a coin have done it: a sign test over images.
-- Ties say nothing; z = (wins - losses) / √(wins + losses) is standard normal when neither is better
-- and images are independent. A study asks thousands of such questions, so `significant` holds p
-- against 0.05 divided by their number (Bonferroni). p = erfc(|z| / √2) by Abramowitz and Stegun's
-- formula 7.1.26, right to 1.5e-7: DuckDB has no erfc.
-- grain: study, transfer_id, baseline
CREATE OR REPLACE VIEW significance AS
WITH tested AS (
    SELECT
        w.study,
        w.target,
        w.transfer_id,
        baseline.kind AS baseline,
        (w.wins + w.ties / 2) / w.images AS win_rate,
        w.images,
        (2 * w.wins + w.ties - w.images) / sqrt(greatest(w.images - w.ties, 1)) AS z
    FROM win_rate AS w
    JOIN transfer AS baseline
        ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
        AND baseline.kind IN ('scratch', 'task-specific')
    WHERE w.images > 0
)
SELECT
    * EXCLUDE (t),
    exp(-z * z / 2) * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
        + t * (-1.453152027 + t * 1.061405429)))) AS p_value,
    p_value < 0.05 / count(*) OVER (PARTITION BY study) AS significant
FROM (SELECT *, 1 / (1 + 0.3275911 * abs(z) / sqrt(2)) AS t FROM tested);
COMMENT ON VIEW significance IS 'Whether each transfer differs from scratch and from its task-specific network beyond chance';
COMMENT ON COLUMN significance.study IS 'Study';
COMMENT ON COLUMN significance.target IS 'Task served';
COMMENT ON COLUMN significance.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN significance.baseline IS 'What it is compared with: scratch or task-specific';
COMMENT ON COLUMN significance.win_rate IS 'Win rate over the baseline';
COMMENT ON COLUMN significance.images IS 'Images compared';
COMMENT ON COLUMN significance.z IS 'Standard normal when neither is better; above 0 is better than the baseline';
COMMENT ON COLUMN significance.p_value IS 'Probability of a z this far from 0 if neither were better';
COMMENT ON COLUMN significance.significant IS 'Whether that is below 0.05 divided by the number of comparisons in the study';
