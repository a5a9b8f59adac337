-- The transfer each taxonomy serves a target by.
-- grain: study, scenario, budget, max_order, target
CREATE TABLE taxonomy_edge (
    study       VARCHAR NOT NULL,
    scenario    VARCHAR NOT NULL,
    budget      DOUBLE  NOT NULL,
    max_order   VARCHAR NOT NULL,
    target      VARCHAR NOT NULL,
    transfer_id INTEGER NOT NULL,
    PRIMARY KEY (study, scenario, budget, max_order, target)
);
COMMENT ON TABLE taxonomy_edge IS 'The one transfer that serves each target in each taxonomy';
COMMENT ON COLUMN taxonomy_edge.study IS 'Study';
COMMENT ON COLUMN taxonomy_edge.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_edge.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_edge.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_edge.target IS 'Task served';
COMMENT ON COLUMN taxonomy_edge.transfer_id IS 'Transfer that serves it, see table transfer';
