-- Win rate of each transfer over the fully supervised network of its target.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW quality AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.quality
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.quality IS NOT NULL;
COMMENT ON VIEW quality IS 'Win rate of each transfer over the fully supervised network of its target';
COMMENT ON COLUMN quality.study IS 'Study';
COMMENT ON COLUMN quality.target IS 'Task served';
COMMENT ON COLUMN quality.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN quality.quality IS 'Win rate over the task-specific network, 0 to 1';
