-- Every transfer with all that is known of it: the view to start from.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW measured_transfer AS
SELECT
    t.study,
    t.transfer_id,
    t.target,
    t.kind,
    t.transfer_order,
    t.sources,
    list_contains(t.sources, t.target) AND t.kind = 'transfer' AS from_own_encoder,
    a.affinity,
    g.gain,
    q.quality
FROM transfer AS t
LEFT JOIN affinity AS a USING (study, transfer_id)
LEFT JOIN gain AS g USING (study, transfer_id)
LEFT JOIN quality AS q USING (study, transfer_id);
COMMENT ON VIEW measured_transfer IS 'Every transfer with its affinity, gain and quality';
COMMENT ON COLUMN measured_transfer.study IS 'Study';
COMMENT ON COLUMN measured_transfer.transfer_id IS 'Transfer';
COMMENT ON COLUMN measured_transfer.target IS 'Task served';
COMMENT ON COLUMN measured_transfer.kind IS 'task-specific, transfer or scratch';
COMMENT ON COLUMN measured_transfer.transfer_order IS 'Number of sources';
COMMENT ON COLUMN measured_transfer.sources IS 'Tasks whose encoders it stands on';
COMMENT ON COLUMN measured_transfer.from_own_encoder IS 'A transfer that has its own target among its sources: measured, left out of taxonomies';
COMMENT ON COLUMN measured_transfer.affinity IS 'Affinity, NULL where it was not ranked';
COMMENT ON COLUMN measured_transfer.gain IS 'Win rate over scratch';
COMMENT ON COLUMN measured_transfer.quality IS 'Win rate over the task-specific network';
