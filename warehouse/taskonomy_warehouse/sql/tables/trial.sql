-- The trials whose losses are here: a short number for each digest. A trial that two studies share is
-- kept once; both name it by its digest in table transfer.
-- grain: trial_id
CREATE TABLE trial (
    trial_id  INTEGER   NOT NULL PRIMARY KEY,
    digest    VARCHAR   NOT NULL UNIQUE,
    images    BIGINT    NOT NULL CHECK (images >= 1),
    loaded_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE trial IS 'Trials whose losses this warehouse holds, one row each';
COMMENT ON COLUMN trial.trial_id IS 'Number of the trial in this warehouse, in the order of loading';
COMMENT ON COLUMN trial.digest IS 'SHA-256 of the trial''s canonical JSON, see transfer.digest';
COMMENT ON COLUMN trial.images IS 'Held-out images it was evaluated on: its rows in trial_loss';
COMMENT ON COLUMN trial.loaded_at IS 'When its losses were loaded (UTC)';
