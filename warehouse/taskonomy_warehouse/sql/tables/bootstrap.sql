-- The bootstrap that error bars were computed from: how many replicates, of what seed.
-- grain: study
CREATE TABLE bootstrap (
    study       VARCHAR   NOT NULL PRIMARY KEY,
    seed        BIGINT    NOT NULL,
    replicates  INTEGER   NOT NULL CHECK (replicates >= 2),
    images      BIGINT    NOT NULL,
    computed_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE bootstrap IS 'Bootstrap over held-out images behind each study''s error bars';
COMMENT ON COLUMN bootstrap.study IS 'Study';
COMMENT ON COLUMN bootstrap.seed IS 'Seed of the resampling: the same seed gives the same replicates';
COMMENT ON COLUMN bootstrap.replicates IS 'Number of replicates';
COMMENT ON COLUMN bootstrap.images IS 'Held-out images drawn for each replicate, with replacement';
COMMENT ON COLUMN bootstrap.computed_at IS 'When it was computed (UTC)';
