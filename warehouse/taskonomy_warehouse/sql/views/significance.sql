-- Is a transfer better or worse than a baseline, or could a coin have done it: a sign test over images,
-- on the assumption that images are independent. Ties say nothing. Below 1,000 images that are no
-- ties the binomial's own tails are added up; from there on they are the normal's, of
-- z = (wins - losses) / √(wins + losses): p = erfc(|z| / √2) by Abramowitz and Stegun's formula
-- 7.1.26, right to 1.5e-7, as DuckDB has no erfc. Of a baseline with several seeds the counts are
-- means: its images are the same ones again, and not more. A study asks thousands of such
-- questions, so `significant` holds p against 0.05 divided by their number (Bonferroni).
-- grain: study, transfer_id, baseline
CREATE OR REPLACE VIEW significance AS
WITH tested AS (
    SELECT
        w.study,
        w.target,
        w.transfer_id,
        baseline.kind AS baseline,
        (sum(w.wins) + sum(w.ties) / 2) / sum(w.images) AS win_rate,
        round(avg(w.images))::BIGINT AS images,
        round(avg(w.images - w.ties))::BIGINT AS untied,
        round(avg(w.wins))::BIGINT AS wins
    FROM win_rate AS w
    JOIN transfer AS baseline
        ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
        AND baseline.kind IN ('scratch', 'task-specific')
    WHERE w.images > 0
    GROUP BY ALL
),
scored AS (
    SELECT
        *,
        (2 * wins - untied) / sqrt(greatest(untied, 1)) AS z,
        1 / (1 + 0.3275911 * abs(z) / sqrt(2)) AS t
    FROM tested
)
SELECT
    * EXCLUDE (untied, wins, t),
    CASE
        WHEN untied < 1000 THEN least(1, 2 * list_sum(list_transform(
            range(greatest(wins, untied - wins), untied + 1),
            lambda k: exp(lgamma(untied + 1) - lgamma(k + 1) - lgamma(untied - k + 1) - untied * ln(2))
        )))
        ELSE exp(-z * z / 2) * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
            + t * (-1.453152027 + t * 1.061405429))))
    END AS p_value,
    p_value < 0.05 / count(*) OVER (PARTITION BY study) AS significant
FROM scored;
COMMENT ON VIEW significance IS 'Whether each transfer differs from scratch and from its task-specific network beyond chance';
COMMENT ON COLUMN significance.study IS 'Study';
COMMENT ON COLUMN significance.target IS 'Task served';
COMMENT ON COLUMN significance.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN significance.baseline IS 'What it is compared with: scratch or task-specific';
COMMENT ON COLUMN significance.win_rate IS 'Win rate over the baseline';
COMMENT ON COLUMN significance.images IS 'Images compared';
COMMENT ON COLUMN significance.z IS 'Standard normal when neither is better; above 0 is better than the baseline';
COMMENT ON COLUMN significance.p_value IS 'Probability of counts this far from even if neither were better';
COMMENT ON COLUMN significance.significant IS 'Whether that is below 0.05 divided by the number of comparisons in the study';
