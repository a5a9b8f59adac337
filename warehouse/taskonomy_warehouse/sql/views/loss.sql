-- Every loss with the study and the transfer it belongs to, over table trial_loss.
-- grain: study, transfer_id, image_id
CREATE OR REPLACE VIEW loss AS
SELECT
    t.study,
    t.transfer_id,
    l.image_id,
    l.loss
FROM transfer AS t
JOIN trial USING (digest)
JOIN trial_loss AS l USING (trial_id);
COMMENT ON VIEW loss IS 'Loss of every transfer on every held-out image';
COMMENT ON COLUMN loss.study IS 'Study';
COMMENT ON COLUMN loss.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN loss.image_id IS 'Held-out image';
COMMENT ON COLUMN loss.loss IS 'Loss on that image; lower is better';
