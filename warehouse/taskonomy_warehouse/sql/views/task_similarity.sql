-- How alike two sources are: the distance between what they give to every target.
-- Each source is the vector of sqrt(P1) over the targets; Ward linkage on them is the similarity tree.
-- grain: study, source_a, source_b (source_a < source_b)
CREATE OR REPLACE VIEW task_similarity AS
SELECT
    a.study,
    a.source AS source_a,
    b.source AS source_b,
    sqrt(sum(power(sqrt(a.share) - sqrt(b.share), 2) ORDER BY a.target)) AS distance,
    count(*) AS targets
FROM affinity_matrix AS a
JOIN affinity_matrix AS b ON a.study = b.study AND a.target = b.target AND a.source < b.source
GROUP BY ALL;
COMMENT ON VIEW task_similarity IS 'Euclidean distance between two sources in what they give to the targets';
COMMENT ON COLUMN task_similarity.study IS 'Study';
COMMENT ON COLUMN task_similarity.source_a IS 'One source';
COMMENT ON COLUMN task_similarity.source_b IS 'Another, later in the alphabet';
COMMENT ON COLUMN task_similarity.distance IS 'Euclidean distance of their columns of sqrt(P1); 0 is alike';
COMMENT ON COLUMN task_similarity.targets IS 'Targets that both were measured on';
