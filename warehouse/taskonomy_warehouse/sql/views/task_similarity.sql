-- How alike two sources are: the distance between what they give to the targets.
-- Each source is the vector of sqrt(P1) over the targets; Ward linkage on them is the similarity tree.
-- A pair is compared on the targets that both were measured on, and its distance scaled up to all of the
-- study's, as the tree does: otherwise a source with missing cells would look closer than it is.
-- grain: study, source_a, source_b (source_a < source_b)
CREATE OR REPLACE VIEW task_similarity AS
WITH pair AS (
    SELECT
        a.study,
        a.source AS source_a,
        b.source AS source_b,
        sum(power(sqrt(a.share) - sqrt(b.share), 2) ORDER BY a.target) AS squares,
        count(*) AS targets
    FROM affinity_matrix AS a
    JOIN affinity_matrix AS b ON a.study = b.study AND a.target = b.target AND a.source < b.source
    GROUP BY ALL
),
every AS (
    SELECT study, count(DISTINCT target) AS targets FROM affinity_matrix GROUP BY study
)
SELECT
    study,
    source_a,
    source_b,
    sqrt(squares * every.targets / pair.targets) AS distance,
    pair.targets
FROM pair
JOIN every USING (study);
COMMENT ON VIEW task_similarity IS 'Euclidean distance between two sources in what they give to the targets';
COMMENT ON COLUMN task_similarity.study IS 'Study';
COMMENT ON COLUMN task_similarity.source_a IS 'One source';
COMMENT ON COLUMN task_similarity.source_b IS 'Another, later in the alphabet';
COMMENT ON COLUMN task_similarity.distance IS 'Euclidean distance of their columns of sqrt(P1), scaled up from the targets both have to all; 0 is alike';
COMMENT ON COLUMN task_similarity.targets IS 'Targets that both were measured on';
