-- How often each source is supervised when the taxonomy is solved again on every bootstrap replicate.
-- grain: study, scenario, budget, max_order, source
CREATE TABLE source_stability (
    study      VARCHAR NOT NULL,
    scenario   VARCHAR NOT NULL,
    budget     DOUBLE  NOT NULL,
    max_order  VARCHAR NOT NULL,
    source     VARCHAR NOT NULL,
    chosen     INTEGER NOT NULL,
    replicates INTEGER NOT NULL,
    PRIMARY KEY (study, scenario, budget, max_order, source)
);
COMMENT ON TABLE source_stability IS 'Bootstrap replicates in which each source is chosen';
COMMENT ON COLUMN source_stability.study IS 'Study';
COMMENT ON COLUMN source_stability.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN source_stability.budget IS 'Supervision budget';
COMMENT ON COLUMN source_stability.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN source_stability.source IS 'Task';
COMMENT ON COLUMN source_stability.chosen IS 'Replicates whose best taxonomy supervises it';
COMMENT ON COLUMN source_stability.replicates IS 'Replicates solved';
