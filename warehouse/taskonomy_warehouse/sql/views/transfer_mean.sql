-- Every transfer, its seeds taken together: the means of what was measured with each. What taxonomies
-- are chosen from, as the best of several seeds would be ahead by luck alone. It goes by the number
-- of its first seed.
-- grain: study, target, kind, sources
CREATE OR REPLACE VIEW transfer_mean AS
SELECT
    study,
    min(transfer_id) AS transfer_id,
    target,
    kind,
    transfer_order,
    sources,
    from_own_encoder,
    count(*) AS seeds,
    avg(affinity ORDER BY transfer_id) AS affinity,
    avg(gain ORDER BY transfer_id) AS gain,
    avg(quality ORDER BY transfer_id) AS quality
FROM measured_transfer
GROUP BY study, target, kind, transfer_order, sources, from_own_encoder;
COMMENT ON VIEW transfer_mean IS 'Every transfer with the means of its seeds'' affinity, gain and quality';
COMMENT ON COLUMN transfer_mean.study IS 'Study';
COMMENT ON COLUMN transfer_mean.transfer_id IS 'Transfer of the first seed';
COMMENT ON COLUMN transfer_mean.target IS 'Task served';
COMMENT ON COLUMN transfer_mean.kind IS 'task-specific, transfer, scratch or best-guess';
COMMENT ON COLUMN transfer_mean.transfer_order IS 'Number of sources';
COMMENT ON COLUMN transfer_mean.sources IS 'Tasks whose encoders it stands on';
COMMENT ON COLUMN transfer_mean.from_own_encoder IS 'A transfer that has its own target among its sources: measured, left out of taxonomies';
COMMENT ON COLUMN transfer_mean.seeds IS 'Seeds it was trained with';
COMMENT ON COLUMN transfer_mean.affinity IS 'Mean affinity, NULL where none was ranked';
COMMENT ON COLUMN transfer_mean.gain IS 'Mean win rate over scratch';
COMMENT ON COLUMN transfer_mean.quality IS 'Mean win rate over the task-specific network';
