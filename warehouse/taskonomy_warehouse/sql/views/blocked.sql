-- What each first-order transfer that is not measured keeps from being known. `transfers`: the pairs,
-- triples and quadruples that the paper's search would train next were this source the target's best
-- (view beam: pairs and triples of the five best sources, quadruples of the best six), less those
-- that are measured already. `ranked`: transfers to the target whose affinities were computed
-- without it, and will change with it. `taxonomies`: solved ones that serve the target without the choice of
-- this source.
-- grain: study, target, source (not measured)
CREATE OR REPLACE VIEW blocked AS
WITH missing AS (
    SELECT study, target, source FROM coverage WHERE NOT measured
),
best AS (
    SELECT
        study,
        target,
        source,
        row_number() OVER (PARTITION BY study, target ORDER BY affinity DESC, source) AS place
    FROM affinity_matrix
    WHERE source <> target
),
candidate AS (
    SELECT m.study, m.target, m.source, [m.source, a.source] AS sources
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    WHERE a.place <= 4
    UNION ALL
    SELECT m.study, m.target, m.source, [m.source, a.source, b.source]
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    JOIN best AS b ON (b.study, b.target) = (m.study, m.target) AND a.place < b.place
    WHERE b.place <= 4
    UNION ALL
    SELECT m.study, m.target, m.source, [m.source, a.source, b.source, c.source]
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    JOIN best AS b ON (b.study, b.target) = (m.study, m.target) AND a.place < b.place
    JOIN best AS c ON (c.study, c.target) = (m.study, m.target) AND b.place < c.place
    WHERE c.place <= 5
),
higher AS (
    SELECT study, target, source, list(sources ORDER BY len(sources), sources) AS transfers
    FROM (SELECT *, list_sort(sources) AS tasks FROM candidate WHERE source <> target) AS c
    ANTI JOIN (
        SELECT study, target, list_sort(sources) AS tasks
        FROM measured_transfer
        WHERE affinity IS NOT NULL
    ) AS m USING (study, target, tasks)
    GROUP BY ALL
),
ranked AS (
    SELECT study, target, count(*) AS transfers FROM affinity GROUP BY ALL
),
served AS (
    SELECT study, target, count(*) AS taxonomies FROM taxonomy_edge GROUP BY ALL
),
own_network AS (
    SELECT DISTINCT study, target AS source FROM transfer WHERE kind = 'task-specific'
)
SELECT
    m.study,
    m.target,
    m.source,
    study.origin = 'trained' AND task.loss <> 'none' AND o.source IS NULL AS lacks_encoder,
    coalesce(h.transfers, []) AS transfers,
    coalesce(r.transfers, 0) AS ranked,
    coalesce(s.taxonomies, 0) AS taxonomies
FROM missing AS m
JOIN study USING (study)
JOIN task ON (task.study, task.task) = (m.study, m.source)
LEFT JOIN higher AS h ON (h.study, h.target, h.source) = (m.study, m.target, m.source)
LEFT JOIN ranked AS r ON (r.study, r.target) = (m.study, m.target)
LEFT JOIN served AS s ON (s.study, s.target) = (m.study, m.target)
LEFT JOIN own_network AS o ON (o.study, o.source) = (m.study, m.source);
COMMENT ON VIEW blocked IS 'What each first-order transfer that is not measured blocks';
COMMENT ON COLUMN blocked.study IS 'Study';
COMMENT ON COLUMN blocked.target IS 'Task to serve';
COMMENT ON COLUMN blocked.source IS 'Task to transfer from, not measured';
COMMENT ON COLUMN blocked.lacks_encoder IS 'Whether the source''s own network is not there either, on which the transfer waits';
COMMENT ON COLUMN blocked.transfers IS 'Higher-order transfers that cannot be chosen before it is known: sources, itself first';
COMMENT ON COLUMN blocked.ranked IS 'Transfers to the target whose affinities are computed without it; 0: the target has none';
COMMENT ON COLUMN blocked.taxonomies IS 'Solved taxonomies that serve the target without the choice of it';
