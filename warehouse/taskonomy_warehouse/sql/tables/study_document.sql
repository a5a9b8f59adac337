-- What each trained study asked for, so that it can be loaded again without its file.
-- grain: study
CREATE TABLE study_document (
    study    VARCHAR NOT NULL PRIMARY KEY,
    document VARCHAR NOT NULL
);
COMMENT ON TABLE study_document IS 'The Study of each trained study, its task dictionary included';
COMMENT ON COLUMN study_document.study IS 'Study';
COMMENT ON COLUMN study_document.document IS 'The Study as JSON, as taskonomyctl load -f reads it';
