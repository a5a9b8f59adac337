-- Error bars: 95 % intervals of each transfer's figures over bootstrap replicates of the held-out
-- images (percentile method) and their standard errors. They say what other images would change,
-- not what training again would.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW affinity_ci AS
SELECT
    r.study,
    r.target,
    r.transfer_id,
    m.affinity,
    list_aggregate(r.affinity, 'quantile_cont', 0.025) AS affinity_low,
    list_aggregate(r.affinity, 'quantile_cont', 0.975) AS affinity_high,
    list_aggregate(r.affinity, 'stddev_samp') AS affinity_sd,
    m.gain,
    list_aggregate(r.gain, 'quantile_cont', 0.025) AS gain_low,
    list_aggregate(r.gain, 'quantile_cont', 0.975) AS gain_high,
    list_aggregate(r.gain, 'stddev_samp') AS gain_sd,
    m.quality,
    list_aggregate(r.quality, 'quantile_cont', 0.025) AS quality_low,
    list_aggregate(r.quality, 'quantile_cont', 0.975) AS quality_high,
    list_aggregate(r.quality, 'stddev_samp') AS quality_sd
FROM replicate AS r
JOIN measured_transfer AS m USING (study, transfer_id);
COMMENT ON VIEW affinity_ci IS '95 % intervals of affinity, gain and quality over bootstrap replicates of the images';
COMMENT ON COLUMN affinity_ci.study IS 'Study';
COMMENT ON COLUMN affinity_ci.target IS 'Task served';
COMMENT ON COLUMN affinity_ci.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN affinity_ci.affinity IS 'Affinity on all held-out images';
COMMENT ON COLUMN affinity_ci.affinity_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.affinity_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.affinity_sd IS 'Its standard error';
COMMENT ON COLUMN affinity_ci.gain IS 'Win rate over scratch on all held-out images';
COMMENT ON COLUMN affinity_ci.gain_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.gain_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.gain_sd IS 'Its standard error';
COMMENT ON COLUMN affinity_ci.quality IS 'Win rate over the task-specific network on all held-out images';
COMMENT ON COLUMN affinity_ci.quality_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.quality_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.quality_sd IS 'Its standard error';
