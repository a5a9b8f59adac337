-- How often each transfer serves its target when the taxonomy is solved again on every replicate.
-- grain: study, scenario, budget, max_order, target, transfer_id
CREATE TABLE edge_stability (
    study       VARCHAR NOT NULL,
    scenario    VARCHAR NOT NULL,
    budget      DOUBLE  NOT NULL,
    max_order   VARCHAR NOT NULL,
    target      VARCHAR NOT NULL,
    transfer_id INTEGER NOT NULL,
    chosen      INTEGER NOT NULL,
    replicates  INTEGER NOT NULL,
    PRIMARY KEY (study, scenario, budget, max_order, target, transfer_id)
);
COMMENT ON TABLE edge_stability IS 'Bootstrap replicates in which each transfer serves its target';
COMMENT ON COLUMN edge_stability.study IS 'Study';
COMMENT ON COLUMN edge_stability.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN edge_stability.budget IS 'Supervision budget';
COMMENT ON COLUMN edge_stability.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN edge_stability.target IS 'Task served';
COMMENT ON COLUMN edge_stability.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN edge_stability.chosen IS 'Replicates whose best taxonomy serves the target with it';
COMMENT ON COLUMN edge_stability.replicates IS 'Replicates solved';
