-- Win rate of each transfer over the network trained from scratch on the same data.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW gain AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.gain
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.gain IS NOT NULL;
COMMENT ON VIEW gain IS 'Win rate of each transfer over the network trained from scratch on the same data';
COMMENT ON COLUMN gain.study IS 'Study';
COMMENT ON COLUMN gain.target IS 'Task served';
COMMENT ON COLUMN gain.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN gain.gain IS 'Win rate over scratch, 0 to 1';
