-- How many times better one transfer is than another: Saaty's pairwise comparison.
-- Zamir et al. 2018, section 3.3: W is clipped to [0.001, 0.999] and R = W / Wᵀ. With a tie counting
-- half on both sides Wᵀ is 1 - W. Baselines (scratch, best guess) are not ranked, so not compared.
-- A pair counts as compared when both have losses for at least a hundredth of the images that the
-- target's best-covered pair shares: fewer say nothing.
-- grain: study, target, transfer_id, rival_id
CREATE OR REPLACE VIEW win_ratio AS
WITH ranked_kind AS (
    SELECT study, transfer_id FROM transfer WHERE kind IN ('task-specific', 'transfer')
),
compared AS (
    SELECT
        study,
        target,
        w.transfer_id,
        w.rival_id,
        w.images,
        greatest(0.001::DOUBLE, least(0.999::DOUBLE, (w.wins + w.ties / 2) / w.images)) AS win_rate
    FROM win_rate AS w
    SEMI JOIN ranked_kind AS a USING (study, transfer_id)
    SEMI JOIN ranked_kind AS b ON (b.study, b.transfer_id) = (w.study, w.rival_id)
    WHERE w.images > 0
),
covered AS (
    SELECT study, target, max(images) / 100 AS least_images FROM compared GROUP BY ALL
)
SELECT
    study,
    target,
    transfer_id,
    rival_id,
    images,
    win_rate,
    win_rate / (1 - win_rate) AS ratio
FROM compared
JOIN covered USING (study, target)
WHERE images >= least_images;
COMMENT ON VIEW win_ratio IS 'How many times better one transfer is than another, R = W / Wᵀ';
COMMENT ON COLUMN win_ratio.study IS 'Study';
COMMENT ON COLUMN win_ratio.target IS 'Task that both solve';
COMMENT ON COLUMN win_ratio.transfer_id IS 'One transfer, see table transfer';
COMMENT ON COLUMN win_ratio.rival_id IS 'The transfer it is compared with';
COMMENT ON COLUMN win_ratio.images IS 'Images they are compared on';
COMMENT ON COLUMN win_ratio.win_rate IS 'Share of images on which it loses less than its rival, ties counting half, within [0.001, 0.999]';
COMMENT ON COLUMN win_ratio.ratio IS 'Win rate over the rival''s win rate, between 1/999 and 999';
