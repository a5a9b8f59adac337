-- How many times better one transfer is than another: Saaty's pairwise comparison.
-- Zamir et al. 2018, section 3.3: W is clipped to [0.001, 0.999] and R = W / Wᵀ. With a tie counting
-- half on both sides Wᵀ is 1 - W. Baselines (scratch, best guess) are not ranked, so not compared.
-- A pair counts as compared when both have losses for at least a hundredth of the images that the
-- target's best-covered pair shares: fewer say nothing.
-- grain: study, target, transfer_id, rival_id
CREATE OR REPLACE VIEW win_ratio AS
WITH baseline AS (
    SELECT study, transfer_id FROM transfer WHERE kind IN ('scratch', 'best-guess')
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
    ANTI JOIN baseline AS a USING (study, transfer_id)
    ANTI JOIN baseline AS b ON b.study = w.study AND b.transfer_id = w.rival_id
    WHERE w.images > 0
    QUALIFY w.images >= max(w.images) OVER (PARTITION BY study, target) / 100
)
SELECT
    study,
    target,
    transfer_id,
    rival_id,
    images,
    win_rate,
    win_rate / (1 - win_rate) AS ratio
FROM compared;
COMMENT ON VIEW win_ratio IS 'How many times better one transfer is than another, R = W / Wᵀ';
COMMENT ON COLUMN win_ratio.study IS 'Study';
COMMENT ON COLUMN win_ratio.target IS 'Task that both solve';
COMMENT ON COLUMN win_ratio.transfer_id IS 'One transfer, see table transfer';
COMMENT ON COLUMN win_ratio.rival_id IS 'The transfer it is compared with';
COMMENT ON COLUMN win_ratio.images IS 'Images they are compared on';
COMMENT ON COLUMN win_ratio.win_rate IS 'Share of images on which it loses less than its rival, ties counting half, within [0.001, 0.999]';
COMMENT ON COLUMN win_ratio.ratio IS 'Win rate over the rival''s win rate, between 1/999 and 999';
