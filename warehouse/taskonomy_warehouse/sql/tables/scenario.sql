-- The settings a study was solved with, so that every taxonomy can be solved again.
-- grain: study, scenario
CREATE TABLE scenario (
    study     VARCHAR   NOT NULL,
    scenario  VARCHAR   NOT NULL,
    settings  VARCHAR   NOT NULL,
    solved_at TIMESTAMP NOT NULL,
    PRIMARY KEY (study, scenario)
);
COMMENT ON TABLE scenario IS 'Named settings of solve: roles, importance, costs, exponent';
COMMENT ON COLUMN scenario.study IS 'Study';
COMMENT ON COLUMN scenario.scenario IS 'default, or a name derived from the settings';
COMMENT ON COLUMN scenario.settings IS 'The settings as JSON';
COMMENT ON COLUMN scenario.solved_at IS 'When it was last solved (UTC)';
