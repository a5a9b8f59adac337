-- Which shape of warehouse this file holds, one row per migration applied.
-- grain: version
CREATE TABLE schema_version (
    version    INTEGER   NOT NULL PRIMARY KEY,
    applied_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE schema_version IS 'Schema versions applied to this warehouse, newest last';
COMMENT ON COLUMN schema_version.version IS 'Schema version';
COMMENT ON COLUMN schema_version.applied_at IS 'When it was applied (UTC)';
