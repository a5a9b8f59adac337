-- Which higher-order transfers the paper's search would train next, from the first-order affinities.
-- Zamir et al. 2018, section 3.3: pairs and triples of the five best sources, quadruples of the best
-- six; from order 5 on one candidate, the k best. A target's own encoder is no candidate.
-- grain: study, target, transfer_order, sources
CREATE OR REPLACE VIEW beam AS
WITH ranked AS (
    SELECT
        study,
        target,
        source,
        row_number() OVER (PARTITION BY study, target ORDER BY affinity DESC, source) AS place
    FROM affinity_matrix
    WHERE source <> target
),
small AS (
    SELECT a.study, a.target, 2 AS transfer_order, [a.source, b.source] AS sources
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    WHERE b.place <= 5
    UNION ALL
    SELECT a.study, a.target, 3, [a.source, b.source, c.source]
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    JOIN ranked AS c ON (a.study, a.target) = (c.study, c.target) AND b.place < c.place
    WHERE c.place <= 5
    UNION ALL
    SELECT a.study, a.target, 4, [a.source, b.source, c.source, d.source]
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    JOIN ranked AS c ON (a.study, a.target) = (c.study, c.target) AND b.place < c.place
    JOIN ranked AS d ON (a.study, a.target) = (d.study, d.target) AND c.place < d.place
    WHERE d.place <= 6
),
best AS (
    SELECT
        study,
        target,
        place AS transfer_order,
        list(source) OVER (
            PARTITION BY study, target ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS sources
    FROM ranked
)
SELECT study, target, transfer_order, sources FROM small
UNION ALL
SELECT study, target, transfer_order::INTEGER, sources FROM best WHERE transfer_order >= 5;
COMMENT ON VIEW beam IS 'Higher-order transfers the paper''s search would train, from first-order affinities';
COMMENT ON COLUMN beam.study IS 'Study';
COMMENT ON COLUMN beam.target IS 'Task to serve';
COMMENT ON COLUMN beam.transfer_order IS 'Number of sources';
COMMENT ON COLUMN beam.sources IS 'Sources, best first';
