-- Each transfer's figures in every bootstrap replicate. Entry b of every list comes from the same
-- resampled images, across transfers and targets, so that whole taxonomies can be resampled.
-- grain: study, transfer_id
CREATE TABLE replicate (
    study       VARCHAR  NOT NULL,
    target      VARCHAR  NOT NULL,
    transfer_id INTEGER  NOT NULL,
    affinity    DOUBLE[],
    gain        DOUBLE[],
    quality     DOUBLE[]
);
COMMENT ON TABLE replicate IS 'Affinity, gain and quality of each transfer in every bootstrap replicate';
COMMENT ON COLUMN replicate.study IS 'Study';
COMMENT ON COLUMN replicate.target IS 'Task served';
COMMENT ON COLUMN replicate.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN replicate.affinity IS 'Affinity in each replicate; NULL where it is not ranked';
COMMENT ON COLUMN replicate.gain IS 'Win rate over scratch in each replicate; NULL where there is no such network';
COMMENT ON COLUMN replicate.quality IS 'Win rate over the task-specific network in each replicate; NULL where there is none';
