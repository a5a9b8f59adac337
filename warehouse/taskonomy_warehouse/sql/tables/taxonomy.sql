-- One solved integer program per budget and order.
-- grain: study, scenario, budget, max_order
CREATE TABLE taxonomy (
    study     VARCHAR NOT NULL,
    scenario  VARCHAR NOT NULL,
    budget    DOUBLE  NOT NULL,
    max_order VARCHAR NOT NULL,
    status    VARCHAR NOT NULL CHECK (status IN ('optimal', 'feasible', 'infeasible')),
    reason    VARCHAR,
    objective DOUBLE,
    bound     DOUBLE,
    gap       DOUBLE,
    cost      DOUBLE,
    solver    VARCHAR NOT NULL,
    seconds   DOUBLE  NOT NULL,
    PRIMARY KEY (study, scenario, budget, max_order)
);
COMMENT ON TABLE taxonomy IS 'Solved taxonomies: one row per study, scenario, budget and order limit';
COMMENT ON COLUMN taxonomy.study IS 'Study';
COMMENT ON COLUMN taxonomy.scenario IS 'Settings it was solved with, see table scenario';
COMMENT ON COLUMN taxonomy.budget IS 'Supervision budget: the most that sources and transfers may cost together';
COMMENT ON COLUMN taxonomy.max_order IS 'Most sources one transfer may have: 1, 2, … or all';
COMMENT ON COLUMN taxonomy.status IS 'optimal: proven; feasible: stopped before the proof; infeasible: no taxonomy exists';
COMMENT ON COLUMN taxonomy.reason IS 'Why it is infeasible, NULL otherwise';
COMMENT ON COLUMN taxonomy.objective IS 'Importance-weighted sum of affinity^exponent over the chosen transfers';
COMMENT ON COLUMN taxonomy.bound IS 'Upper bound on the objective that the solver proved';
COMMENT ON COLUMN taxonomy.gap IS '(bound - objective) / objective';
COMMENT ON COLUMN taxonomy.cost IS 'What the chosen sources and transfers cost, at most the budget';
COMMENT ON COLUMN taxonomy.solver IS 'Solver and version';
COMMENT ON COLUMN taxonomy.seconds IS 'Wall-clock seconds, model writing and reading included';
