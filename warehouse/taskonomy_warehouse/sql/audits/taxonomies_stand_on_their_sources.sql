-- Every source of every chosen transfer must be supervised by the taxonomy. Returns what is not.
SELECT e.study, e.scenario, e.budget, e.max_order, e.target, missing.source
FROM taxonomy_edge AS e
JOIN transfer AS t USING (study, transfer_id),
    unnest(t.sources) AS missing (source)
WHERE NOT EXISTS (
    SELECT 1
    FROM taxonomy_source AS s
    WHERE (s.study, s.scenario, s.budget, s.max_order) = (e.study, e.scenario, e.budget, e.max_order)
      AND s.source = missing.source
);
