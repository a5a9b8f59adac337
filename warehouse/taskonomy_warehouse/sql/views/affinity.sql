-- How much a transfer helps its target, comparable across all of the target's transfers:
-- as printed for published studies, the AHP's eigenvector (macro ahp) for trained ones.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW affinity AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.affinity
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.affinity IS NOT NULL
UNION ALL
SELECT study, target, transfer_id, affinity
FROM computed_affinity;
COMMENT ON VIEW affinity IS 'How much a transfer helps its target, comparable across all of the target''s transfers';
COMMENT ON COLUMN affinity.study IS 'Study';
COMMENT ON COLUMN affinity.target IS 'Task served';
COMMENT ON COLUMN affinity.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN affinity.affinity IS 'Affinity; sums to 1 over a target''s ranked transfers';
