-- Every network that can serve a target: its own, one transferred from sources, or one from scratch.
-- grain: study, transfer_id
CREATE TABLE transfer (
    study          VARCHAR   NOT NULL,
    transfer_id    INTEGER   NOT NULL,
    target         VARCHAR   NOT NULL,
    kind           VARCHAR   NOT NULL CHECK (kind IN ('task-specific', 'transfer', 'scratch')),
    transfer_order INTEGER   NOT NULL CHECK (transfer_order >= 1),
    sources        VARCHAR[] NOT NULL,
    PRIMARY KEY (study, transfer_id)
);
COMMENT ON TABLE transfer IS 'Networks that can serve a target, one row each';
COMMENT ON COLUMN transfer.study IS 'Study';
COMMENT ON COLUMN transfer.transfer_id IS 'Number of the transfer within its study';
COMMENT ON COLUMN transfer.target IS 'Task that is solved';
COMMENT ON COLUMN transfer.kind IS 'task-specific: the target''s own network; transfer: a readout on frozen encoders; scratch: trained on the transfer split alone';
COMMENT ON COLUMN transfer.transfer_order IS 'Number of sources; 1 for a task-specific network and for scratch';
COMMENT ON COLUMN transfer.sources IS 'Tasks whose encoders it stands on, in the order of concatenation; the target itself for task-specific, none for scratch';
