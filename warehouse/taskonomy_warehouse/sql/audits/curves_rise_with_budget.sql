-- More supervision never makes the best taxonomy worse. Returns proven optima that fall.
SELECT study, scenario, max_order, budget, objective, earlier
FROM (
    SELECT
        *,
        max(objective) OVER (
            PARTITION BY study, scenario, max_order ORDER BY budget
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS earlier
    FROM taxonomy
    WHERE status = 'optimal'
)
WHERE objective < earlier - 1e-6;
