-- Finished trials that were not loaded, with the reason, until somebody puts them right.
-- grain: study, digest
CREATE TABLE quarantine (
    study   VARCHAR   NOT NULL,
    digest  VARCHAR   NOT NULL,
    folder  VARCHAR   NOT NULL,
    reason  VARCHAR   NOT NULL,
    detail  VARCHAR   NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (study, digest)
);
COMMENT ON TABLE quarantine IS 'Finished trials that were not loaded, with the reason';
COMMENT ON COLUMN quarantine.study IS 'Study';
COMMENT ON COLUMN quarantine.digest IS 'Trial, as its folder is named';
COMMENT ON COLUMN quarantine.folder IS 'Path or URI of its folder';
COMMENT ON COLUMN quarantine.reason IS 'not-a-result, not-a-trial, digest-disagrees, unknown-trial, not-parquet, wrong-columns, not-finite, duplicate-image, other-images or figures-disagree';
COMMENT ON COLUMN quarantine.detail IS 'What is wrong, where, and how to put it right';
COMMENT ON COLUMN quarantine.seen_at IS 'When a load first refused it for this reason (UTC)';
