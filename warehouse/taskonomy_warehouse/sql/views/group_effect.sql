-- Do sources of one group help targets of a group more than sources of another: the difference of
-- their gains, first order alone, a target's own encoder left out. Each target counts once: the mean
-- of its gains from one group less that from the other, then the mean over the targets that have both.
-- Error bars: 2.5 and 97.5 % of the same over bootstrap replicates of the held-out images, where the
-- study has any. Zamir et al. 2018, section 5: geometric sources serve geometric targets best.
-- grain: study, target_group, source_group, other_group
CREATE OR REPLACE VIEW group_effect AS
WITH edge AS (
    SELECT
        m.study,
        m.target,
        m.transfer_id,
        t.task_group AS target_group,
        s.task_group AS source_group,
        m.gain
    FROM measured_transfer AS m
    JOIN task AS t ON (t.study, t.task) = (m.study, m.target)
    JOIN task AS s ON (s.study, [s.task]) = (m.study, m.sources)
    WHERE m.kind = 'transfer' AND NOT m.from_own_encoder AND m.gain IS NOT NULL
),
drawn AS (  -- replicate 0 is the measurement itself
    SELECT study, target, transfer_id, target_group, source_group, 0 AS replicate, gain FROM edge
    UNION ALL
    SELECT
        study, target, transfer_id, target_group, source_group,
        generate_subscripts(r.gain, 1), unnest(r.gain)
    FROM edge
    JOIN replicate AS r USING (study, target, transfer_id)
),
by_target AS (  -- added up in one order, so that the same data gives the same bits
    SELECT
        study, target, target_group, source_group, replicate,
        avg(gain ORDER BY transfer_id) AS gain
    FROM drawn
    GROUP BY ALL
),
difference AS (
    SELECT
        a.study,
        a.target_group,
        a.source_group,
        b.source_group AS other_group,
        a.replicate,
        count(*) AS targets,
        avg(a.gain - b.gain ORDER BY a.target) AS effect
    FROM by_target AS a
    JOIN by_target AS b
        ON (a.study, a.target, a.replicate) = (b.study, b.target, b.replicate)
        AND a.source_group <> b.source_group
    GROUP BY ALL
)
SELECT
    study,
    target_group,
    source_group,
    other_group,
    max(targets) FILTER (replicate = 0) AS targets,
    max(effect) FILTER (replicate = 0) AS effect,
    quantile_cont(effect, 0.025) FILTER (replicate > 0) AS effect_low,
    quantile_cont(effect, 0.975) FILTER (replicate > 0) AS effect_high
FROM difference
GROUP BY ALL;
COMMENT ON VIEW group_effect IS 'How much more gain sources of one group bring to targets of a group than those of another';
COMMENT ON COLUMN group_effect.study IS 'Study';
COMMENT ON COLUMN group_effect.target_group IS 'Group of the targets';
COMMENT ON COLUMN group_effect.source_group IS 'Group of the sources';
COMMENT ON COLUMN group_effect.other_group IS 'Group of the sources they are compared with';
COMMENT ON COLUMN group_effect.targets IS 'Targets that were measured from both';
COMMENT ON COLUMN group_effect.effect IS 'Mean over these of the difference of mean gains; above 0, source_group helps more';
COMMENT ON COLUMN group_effect.effect_low IS 'Lower end of its 95 % interval; NULL without a bootstrap';
COMMENT ON COLUMN group_effect.effect_high IS 'Upper end of its 95 % interval; NULL without a bootstrap';
