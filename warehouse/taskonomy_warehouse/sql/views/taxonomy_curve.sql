-- What supervision buys: mean gain and quality of the optimal taxonomy against the budget.
-- grain: study, scenario, budget, max_order
CREATE OR REPLACE VIEW taxonomy_curve AS
SELECT
    t.study,
    t.scenario,
    t.budget,
    t.max_order,
    t.objective,
    avg(c.gain) AS mean_gain,
    avg(c.quality) AS mean_quality,
    count(*) AS targets
FROM taxonomy AS t
JOIN taxonomy_choice AS c USING (study, scenario, budget, max_order)
GROUP BY ALL;
COMMENT ON VIEW taxonomy_curve IS 'Mean gain and quality of each taxonomy over its targets';
COMMENT ON COLUMN taxonomy_curve.study IS 'Study';
COMMENT ON COLUMN taxonomy_curve.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_curve.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_curve.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_curve.objective IS 'Objective of the integer program';
COMMENT ON COLUMN taxonomy_curve.mean_gain IS 'Mean win rate over scratch, over the targets';
COMMENT ON COLUMN taxonomy_curve.mean_quality IS 'Mean win rate over the task-specific networks, over the targets';
COMMENT ON COLUMN taxonomy_curve.targets IS 'Targets served';
