-- The studies whose measurements this warehouse holds.
-- grain: study
CREATE TABLE study (
    study         VARCHAR   NOT NULL PRIMARY KEY,
    origin        VARCHAR   NOT NULL CHECK (origin IN ('published', 'trained')),
    source_name   VARCHAR   NOT NULL,
    source_sha256 VARCHAR   NOT NULL,
    loaded_at     TIMESTAMP NOT NULL
);
COMMENT ON TABLE study IS 'One row per study: where its measurements came from';
COMMENT ON COLUMN study.study IS 'Name of the study';
COMMENT ON COLUMN study.origin IS 'published: imported win rates and affinities, as printed; trained: computed here from losses';
COMMENT ON COLUMN study.source_name IS 'Name of the file the measurements came from; of a trained study, its artifact root';
COMMENT ON COLUMN study.source_sha256 IS 'SHA-256 of what was imported (of a trained study, of its specification): the same content is never imported twice';
COMMENT ON COLUMN study.loaded_at IS 'When it was loaded (UTC)';
