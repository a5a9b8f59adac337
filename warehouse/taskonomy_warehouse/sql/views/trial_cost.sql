-- What each stage of a study cost, from what its trials said of themselves. A trial that another
-- study paid for costs this one nothing.
-- grain: study, target, kind, transfer_order
CREATE OR REPLACE VIEW trial_cost AS
SELECT
    r.study,
    t.target,
    t.kind,
    t.transfer_order,
    count(*) AS trials,
    count(*) FILTER (r.trained_for <> r.study) AS shared,
    sum(r.gpu_seconds) FILTER (r.trained_for = r.study) / 3600 AS gpu_hours
FROM trial_result AS r
JOIN transfer AS t USING (study, transfer_id)
GROUP BY ALL;
COMMENT ON VIEW trial_cost IS 'GPU hours of each study by target, kind of trial and order';
COMMENT ON COLUMN trial_cost.study IS 'Study';
COMMENT ON COLUMN trial_cost.target IS 'Task served';
COMMENT ON COLUMN trial_cost.kind IS 'task-specific, transfer, scratch or best-guess';
COMMENT ON COLUMN trial_cost.transfer_order IS 'Number of sources; 1 where there is none';
COMMENT ON COLUMN trial_cost.trials IS 'Trials loaded';
COMMENT ON COLUMN trial_cost.shared IS 'Of these, trained for another study and used here';
COMMENT ON COLUMN trial_cost.gpu_hours IS 'GPU hours of the trials trained for this study; NULL where there is none';
