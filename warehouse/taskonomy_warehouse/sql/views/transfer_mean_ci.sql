-- Error bars of what taxonomies are chosen from: 95 % intervals of every transfer's means over its
-- seeds, over bootstrap replicates of the held-out images (percentile method), and their standard
-- errors. Entry b of all replicates comes from the same images, so the seeds are averaged within each
-- replicate first. With one seed they are those of view affinity_ci. They say what other images would
-- change, not what training again would. A figure that a seed lacks in some replicate has none.
-- grain: study, target, kind, sources
CREATE OR REPLACE VIEW transfer_mean_ci AS
WITH of_seeds AS (  -- lists of lists: seeds × replicates
    SELECT
        m.study,
        m.target,
        m.kind,
        m.sources,
        CASE WHEN count(r.affinity) = count(m.affinity)
            THEN list(r.affinity ORDER BY transfer_id) FILTER (r.affinity IS NOT NULL) END AS affinity,
        CASE WHEN count(r.gain) = count(m.gain)
            THEN list(r.gain ORDER BY transfer_id) FILTER (r.gain IS NOT NULL) END AS gain,
        CASE WHEN count(r.quality) = count(m.quality)
            THEN list(r.quality ORDER BY transfer_id) FILTER (r.quality IS NOT NULL) END AS quality
    FROM replicate AS r
    JOIN measured_transfer AS m USING (study, transfer_id)
    GROUP BY m.study, m.target, m.kind, m.sources
),
drawn AS (
    SELECT
        study,
        target,
        kind,
        sources,
        list_transform(range(1, len(affinity[1]) + 1), lambda b:
            list_avg(list_transform(affinity, lambda seed: seed[b]))) AS affinity,
        list_transform(range(1, len(gain[1]) + 1), lambda b:
            list_avg(list_transform(gain, lambda seed: seed[b]))) AS gain,
        list_transform(range(1, len(quality[1]) + 1), lambda b:
            list_avg(list_transform(quality, lambda seed: seed[b]))) AS quality
    FROM of_seeds
)
SELECT
    m.study,
    m.transfer_id,
    m.target,
    m.kind,
    m.transfer_order,
    m.sources,
    m.seeds,
    m.affinity,
    list_aggregate(d.affinity, 'quantile_cont', 0.025) AS affinity_low,
    list_aggregate(d.affinity, 'quantile_cont', 0.975) AS affinity_high,
    list_aggregate(d.affinity, 'stddev_samp') AS affinity_sd,
    m.gain,
    list_aggregate(d.gain, 'quantile_cont', 0.025) AS gain_low,
    list_aggregate(d.gain, 'quantile_cont', 0.975) AS gain_high,
    list_aggregate(d.gain, 'stddev_samp') AS gain_sd,
    m.quality,
    list_aggregate(d.quality, 'quantile_cont', 0.025) AS quality_low,
    list_aggregate(d.quality, 'quantile_cont', 0.975) AS quality_high,
    list_aggregate(d.quality, 'stddev_samp') AS quality_sd
FROM drawn AS d
JOIN transfer_mean AS m USING (study, target, kind, sources);
COMMENT ON VIEW transfer_mean_ci IS '95 % intervals of every transfer''s means over its seeds, over bootstrap replicates of the images';
COMMENT ON COLUMN transfer_mean_ci.study IS 'Study';
COMMENT ON COLUMN transfer_mean_ci.transfer_id IS 'Transfer of the first seed';
COMMENT ON COLUMN transfer_mean_ci.target IS 'Task served';
COMMENT ON COLUMN transfer_mean_ci.kind IS 'task-specific, transfer, scratch or best-guess';
COMMENT ON COLUMN transfer_mean_ci.transfer_order IS 'Number of sources';
COMMENT ON COLUMN transfer_mean_ci.sources IS 'Tasks whose encoders it stands on';
COMMENT ON COLUMN transfer_mean_ci.seeds IS 'Seeds it was trained with';
COMMENT ON COLUMN transfer_mean_ci.affinity IS 'Mean affinity on all held-out images';
COMMENT ON COLUMN transfer_mean_ci.affinity_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.affinity_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.affinity_sd IS 'Its standard error';
COMMENT ON COLUMN transfer_mean_ci.gain IS 'Mean win rate over scratch on all held-out images';
COMMENT ON COLUMN transfer_mean_ci.gain_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.gain_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.gain_sd IS 'Its standard error';
COMMENT ON COLUMN transfer_mean_ci.quality IS 'Mean win rate over the task-specific network on all held-out images';
COMMENT ON COLUMN transfer_mean_ci.quality_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.quality_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN transfer_mean_ci.quality_sd IS 'Its standard error';
