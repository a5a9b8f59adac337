-- Table win_rate as one self-join: what the compiled kernel is tested against, too slow for the
-- paper's scale (7e7 comparisons a second against 3e10).
-- grain: study, target, transfer_id, rival_id
WITH lost AS (
    SELECT t.target, l.*
    FROM loss AS l
    JOIN transfer AS t USING (study, transfer_id)
    JOIN heldout_image USING (study, target, image_id)
)
SELECT
    mine.study,
    mine.target,
    mine.transfer_id,
    rival.transfer_id AS rival_id,
    count(*) FILTER (mine.loss < rival.loss) AS wins,
    count(*) FILTER (mine.loss = rival.loss) AS ties,
    count(*) AS images
FROM lost AS mine
JOIN lost AS rival USING (study, target, image_id)
WHERE mine.transfer_id <> rival.transfer_id
GROUP BY ALL
