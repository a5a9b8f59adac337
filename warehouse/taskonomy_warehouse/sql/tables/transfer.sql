-- Every network that can serve a target: its own, one transferred from sources, or one from scratch;
-- and the statistical best guess, a constant answer that any network should beat.
-- grain: study, transfer_id
CREATE TABLE transfer (
    study          VARCHAR   NOT NULL USING COMPRESSION dictionary,
    transfer_id    INTEGER   NOT NULL USING COMPRESSION bitpacking,
    target         VARCHAR   NOT NULL USING COMPRESSION dictionary,
    kind           VARCHAR   NOT NULL USING COMPRESSION dictionary
        CHECK (kind IN ('task-specific', 'transfer', 'scratch', 'best-guess')),
    transfer_order INTEGER   NOT NULL USING COMPRESSION bitpacking CHECK (transfer_order >= 1),
    sources        VARCHAR[] NOT NULL,
    digest         VARCHAR USING COMPRESSION uncompressed,
    PRIMARY KEY (study, transfer_id)
);
COMMENT ON TABLE transfer IS 'Networks that can serve a target, one row each';
COMMENT ON COLUMN transfer.study IS 'Study';
COMMENT ON COLUMN transfer.transfer_id IS 'Number of the transfer within its study';
COMMENT ON COLUMN transfer.target IS 'Task that is solved';
COMMENT ON COLUMN transfer.kind IS 'task-specific: the target''s own network; transfer: a readout on frozen encoders; scratch: trained on the transfer split alone; best-guess: the constant answer that loses least';
COMMENT ON COLUMN transfer.transfer_order IS 'Number of sources; 1 for a task-specific network, for scratch and for the best guess';
COMMENT ON COLUMN transfer.sources IS 'Tasks whose encoders it stands on, in the order of concatenation; the target itself for task-specific, none for scratch and best-guess';
COMMENT ON COLUMN transfer.digest IS 'Digest of the trial that trained it, see table trial; NULL for published measurements';
