-- What each taxonomy does for each target, with the figures of the transfer it chose.
-- grain: study, scenario, budget, max_order, target
CREATE OR REPLACE VIEW taxonomy_choice AS
SELECT
    e.study,
    e.scenario,
    e.budget,
    e.max_order,
    e.target,
    m.kind,
    m.sources,
    m.affinity,
    m.gain,
    m.quality
FROM taxonomy_edge AS e
JOIN transfer_mean AS m USING (study, transfer_id);
COMMENT ON VIEW taxonomy_choice IS 'Chosen transfer of each target in each taxonomy, with its figures';
COMMENT ON COLUMN taxonomy_choice.study IS 'Study';
COMMENT ON COLUMN taxonomy_choice.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_choice.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_choice.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_choice.target IS 'Task served';
COMMENT ON COLUMN taxonomy_choice.kind IS 'task-specific when the target is served by its own network';
COMMENT ON COLUMN taxonomy_choice.sources IS 'Tasks it is served from';
COMMENT ON COLUMN taxonomy_choice.affinity IS 'Affinity of the transfer';
COMMENT ON COLUMN taxonomy_choice.gain IS 'Win rate over scratch';
COMMENT ON COLUMN taxonomy_choice.quality IS 'Win rate over the task-specific network';
