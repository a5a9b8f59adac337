-- On every image one of two networks wins or they tie, and both directions agree: one row each.
-- Returns pairs that do not add up.
SELECT a.study, a.target, a.transfer_id, a.rival_id, count(*) AS pairs
FROM win_rate AS a
LEFT JOIN win_rate AS b
    ON (b.study, b.target, b.transfer_id, b.rival_id)
     = (a.study, a.target, a.rival_id, a.transfer_id)
GROUP BY ALL
HAVING count(*) <> 1
    OR bool_or((a.wins + b.wins + a.ties, a.ties, a.images)
        IS DISTINCT FROM (a.images, b.ties, b.images));
