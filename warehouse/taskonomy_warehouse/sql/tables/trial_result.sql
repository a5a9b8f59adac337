-- What each loaded trial said of itself, besides its losses: one row for every transfer of a trained study.
-- What is long and each its own is not compressed: a load of one network writes these columns anew, and
-- half of that went into looking for a compression (20 ms for 3,000 trials, to save 1 MB).
-- grain: study, transfer_id
CREATE TABLE trial_result (
    study         VARCHAR   NOT NULL USING COMPRESSION dictionary,
    transfer_id   INTEGER   NOT NULL USING COMPRESSION bitpacking,
    digest        VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    seed          INTEGER   NOT NULL USING COMPRESSION bitpacking,
    status        VARCHAR   NOT NULL USING COMPRESSION dictionary CHECK (status IN ('complete', 'stopped-early')),
    steps         BIGINT    NOT NULL USING COMPRESSION bitpacking,
    images        BIGINT    NOT NULL USING COMPRESSION bitpacking,
    skipped       BIGINT    NOT NULL USING COMPRESSION bitpacking,
    mean_loss     DOUBLE    NOT NULL USING COMPRESSION uncompressed,
    gpu_seconds   DOUBLE    NOT NULL USING COMPRESSION uncompressed,
    started_at    TIMESTAMP NOT NULL USING COMPRESSION bitpacking,
    finished_at   TIMESTAMP NOT NULL USING COMPRESSION bitpacking,
    trained_for   VARCHAR   NOT NULL USING COMPRESSION dictionary,
    job           VARCHAR   NOT NULL USING COMPRESSION dictionary,
    folder        VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    trial         VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    PRIMARY KEY (study, digest)
);
COMMENT ON TABLE trial_result IS 'What each loaded trial said of itself: cost, length, mean loss, where it lies';
COMMENT ON COLUMN trial_result.study IS 'Study';
COMMENT ON COLUMN trial_result.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN trial_result.digest IS 'Trial: the sha256 of all that its result depends on';
COMMENT ON COLUMN trial_result.seed IS 'Seed it was trained with';
COMMENT ON COLUMN trial_result.status IS 'complete, or stopped-early when validation stopped getting better';
COMMENT ON COLUMN trial_result.steps IS 'Optimiser steps taken';
COMMENT ON COLUMN trial_result.images IS 'Held-out images it was judged on';
COMMENT ON COLUMN trial_result.skipped IS 'Held-out images it could not be judged on';
COMMENT ON COLUMN trial_result.mean_loss IS 'Mean loss over its held-out images';
COMMENT ON COLUMN trial_result.gpu_seconds IS 'Seconds of training and evaluation times GPUs held; on CPUs the seconds';
COMMENT ON COLUMN trial_result.started_at IS 'When its first attempt began (UTC)';
COMMENT ON COLUMN trial_result.finished_at IS 'When it was done (UTC)';
COMMENT ON COLUMN trial_result.trained_for IS 'Study it was trained for; this one uses it too when they differ';
COMMENT ON COLUMN trial_result.job IS 'Job that trained it; empty when not known';
COMMENT ON COLUMN trial_result.folder IS 'Path or URI of its folder under the artifact root';
COMMENT ON COLUMN trial_result.trial IS 'The trial as canonical JSON';
