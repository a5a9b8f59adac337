-- What each trial's network lost on each held-out image: by far the largest table. View loss names the
-- study and the transfer; here stands only a number, because 160 million study names cost more to
-- write than the losses themselves. For the same reason there is no primary key (the loader refuses
-- duplicates, an audit looks for them) and the compression is settled, not searched for.
-- grain: trial_id, image_id
CREATE TABLE trial_loss (
    trial_id INTEGER NOT NULL USING COMPRESSION bitpacking,
    image_id UBIGINT NOT NULL USING COMPRESSION bitpacking,
    loss     FLOAT   NOT NULL USING COMPRESSION uncompressed
);
COMMENT ON TABLE trial_loss IS 'Loss of each trial on each held-out image; view loss names study and transfer';
COMMENT ON COLUMN trial_loss.trial_id IS 'Trial, see table trial';
COMMENT ON COLUMN trial_loss.image_id IS 'Held-out image';
COMMENT ON COLUMN trial_loss.loss IS 'Loss on that image, finite; lower is better';
