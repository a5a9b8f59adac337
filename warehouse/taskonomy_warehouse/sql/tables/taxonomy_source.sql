-- The sources each taxonomy supervises.
-- grain: study, scenario, budget, max_order, source
CREATE TABLE taxonomy_source (
    study     VARCHAR NOT NULL,
    scenario  VARCHAR NOT NULL,
    budget    DOUBLE  NOT NULL,
    max_order VARCHAR NOT NULL,
    source    VARCHAR NOT NULL,
    PRIMARY KEY (study, scenario, budget, max_order, source)
);
COMMENT ON TABLE taxonomy_source IS 'Sources chosen by each taxonomy: the tasks to label and train';
COMMENT ON COLUMN taxonomy_source.study IS 'Study';
COMMENT ON COLUMN taxonomy_source.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_source.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_source.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_source.source IS 'Task to label and train in full';
