-- Schema version 1 as it was released (commit 762b234), to make a warehouse file of that version from.
-- Frozen: later versions migrate from exactly this.

-- Which shape of warehouse this file holds, one row per migration applied.
-- grain: version
CREATE TABLE schema_version (
    version    INTEGER   NOT NULL PRIMARY KEY,
    applied_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE schema_version IS 'Schema versions applied to this warehouse, newest last';
COMMENT ON COLUMN schema_version.version IS 'Schema version';
COMMENT ON COLUMN schema_version.applied_at IS 'When it was applied (UTC)';

-- The studies whose measurements this warehouse holds.
-- grain: study
CREATE TABLE study (
    study         VARCHAR   NOT NULL PRIMARY KEY,
    origin        VARCHAR   NOT NULL CHECK (origin IN ('published')),
    source_name   VARCHAR   NOT NULL,
    source_sha256 VARCHAR   NOT NULL,
    loaded_at     TIMESTAMP NOT NULL
);
COMMENT ON TABLE study IS 'One row per study: where its measurements came from';
COMMENT ON COLUMN study.study IS 'Name of the study';
COMMENT ON COLUMN study.origin IS 'published: imported measurements, win rates and affinities as printed';
COMMENT ON COLUMN study.source_name IS 'Name of the file the measurements came from';
COMMENT ON COLUMN study.source_sha256 IS 'SHA-256 of what was imported: the same content is never imported twice';
COMMENT ON COLUMN study.loaded_at IS 'When it was loaded (UTC)';

-- The task dictionary of each study, with the part each task plays unless a solve says otherwise.
-- grain: study, task
CREATE TABLE task (
    study          VARCHAR NOT NULL,
    task           VARCHAR NOT NULL,
    position       INTEGER NOT NULL,
    title          VARCHAR NOT NULL,
    published_name VARCHAR,
    folder         VARCHAR,
    task_group     VARCHAR NOT NULL,
    role           VARCHAR NOT NULL CHECK (role IN ('both', 'source-only', 'target-only', 'unused')),
    images         INTEGER NOT NULL,
    output_kind    VARCHAR NOT NULL,
    channels       INTEGER NOT NULL,
    stride         INTEGER NOT NULL,
    loss           VARCHAR NOT NULL,
    PRIMARY KEY (study, task)
);
COMMENT ON TABLE task IS 'Task dictionary of each study';
COMMENT ON COLUMN task.study IS 'Study';
COMMENT ON COLUMN task.task IS 'Task id';
COMMENT ON COLUMN task.position IS 'Place in the dictionary, from 0';
COMMENT ON COLUMN task.title IS 'Readable name';
COMMENT ON COLUMN task.published_name IS 'Name in the published measurements';
COMMENT ON COLUMN task.folder IS 'Folder of the data set its label is read from';
COMMENT ON COLUMN task.task_group IS 'Family: 2d, 3d, low-dimensional, semantic or other';
COMMENT ON COLUMN task.role IS 'both, source-only, target-only or unused';
COMMENT ON COLUMN task.images IS 'Images in one example';
COMMENT ON COLUMN task.output_kind IS 'image, class-map, embedding, vector, classes or representation';
COMMENT ON COLUMN task.channels IS 'Channels, vector length or number of classes of the output';
COMMENT ON COLUMN task.stride IS 'Input pixels per output pixel';
COMMENT ON COLUMN task.loss IS 'Training loss of the task-specific network';

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

-- What a published file says of each transfer, kept as printed.
-- grain: study, transfer_id
CREATE TABLE published_measurement (
    study       VARCHAR NOT NULL,
    transfer_id INTEGER NOT NULL,
    affinity    DOUBLE,
    gain        DOUBLE,
    quality     DOUBLE,
    PRIMARY KEY (study, transfer_id)
);
COMMENT ON TABLE published_measurement IS 'Published affinities and win rates, as printed';
COMMENT ON COLUMN published_measurement.study IS 'Study';
COMMENT ON COLUMN published_measurement.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN published_measurement.affinity IS 'Affinity; NULL where the transfer was measured and not ranked';
COMMENT ON COLUMN published_measurement.gain IS 'Win rate over the network trained from scratch on the same data, 0 to 1';
COMMENT ON COLUMN published_measurement.quality IS 'Win rate over the fully supervised network, 0 to 1';

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

-- How much a transfer helps its target, comparable across all of the target's transfers.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW affinity AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.affinity
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.affinity IS NOT NULL;
COMMENT ON VIEW affinity IS 'How much a transfer helps its target, comparable across all of the target''s transfers';
COMMENT ON COLUMN affinity.study IS 'Study';
COMMENT ON COLUMN affinity.target IS 'Task served';
COMMENT ON COLUMN affinity.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN affinity.affinity IS 'Affinity; sums to 1 over a target''s ranked transfers';

-- Win rate of each transfer over the network trained from scratch on the same data.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW gain AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.gain
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.gain IS NOT NULL;
COMMENT ON VIEW gain IS 'Win rate of each transfer over the network trained from scratch on the same data';
COMMENT ON COLUMN gain.study IS 'Study';
COMMENT ON COLUMN gain.target IS 'Task served';
COMMENT ON COLUMN gain.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN gain.gain IS 'Win rate over scratch, 0 to 1';

-- Win rate of each transfer over the fully supervised network of its target.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW quality AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.quality
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.quality IS NOT NULL;
COMMENT ON VIEW quality IS 'Win rate of each transfer over the fully supervised network of its target';
COMMENT ON COLUMN quality.study IS 'Study';
COMMENT ON COLUMN quality.target IS 'Task served';
COMMENT ON COLUMN quality.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN quality.quality IS 'Win rate over the task-specific network, 0 to 1';

-- Every transfer with all that is known of it: the view to start from.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW measured_transfer AS
SELECT
    t.study,
    t.transfer_id,
    t.target,
    t.kind,
    t.transfer_order,
    t.sources,
    list_contains(t.sources, t.target) AND t.kind = 'transfer' AS from_own_encoder,
    a.affinity,
    g.gain,
    q.quality
FROM transfer AS t
LEFT JOIN affinity AS a USING (study, transfer_id)
LEFT JOIN gain AS g USING (study, transfer_id)
LEFT JOIN quality AS q USING (study, transfer_id);
COMMENT ON VIEW measured_transfer IS 'Every transfer with its affinity, gain and quality';
COMMENT ON COLUMN measured_transfer.study IS 'Study';
COMMENT ON COLUMN measured_transfer.transfer_id IS 'Transfer';
COMMENT ON COLUMN measured_transfer.target IS 'Task served';
COMMENT ON COLUMN measured_transfer.kind IS 'task-specific, transfer or scratch';
COMMENT ON COLUMN measured_transfer.transfer_order IS 'Number of sources';
COMMENT ON COLUMN measured_transfer.sources IS 'Tasks whose encoders it stands on';
COMMENT ON COLUMN measured_transfer.from_own_encoder IS 'A transfer that has its own target among its sources: measured, left out of taxonomies';
COMMENT ON COLUMN measured_transfer.affinity IS 'Affinity, NULL where it was not ranked';
COMMENT ON COLUMN measured_transfer.gain IS 'Win rate over scratch';
COMMENT ON COLUMN measured_transfer.quality IS 'Win rate over the task-specific network';

-- First-order transfers as a matrix, targets by sources; the diagonal is the target's own encoder.
-- grain: study, target, source
CREATE OR REPLACE VIEW affinity_matrix AS
SELECT
    measured_transfer.study,
    target,
    sources[1] AS source,
    affinity,
    affinity / sum(affinity) OVER (PARTITION BY measured_transfer.study, target) AS share,
    exp(-20 * affinity / sum(affinity) OVER (PARTITION BY measured_transfer.study, target)) AS distance,
    gain,
    quality
FROM measured_transfer
JOIN task ON task.study = measured_transfer.study AND task.task = measured_transfer.sources[1]
WHERE kind = 'transfer' AND transfer_order = 1 AND affinity IS NOT NULL AND task.role <> 'unused';
COMMENT ON VIEW affinity_matrix IS 'First-order affinities, targets by sources; the diagonal is the target''s own encoder';
COMMENT ON COLUMN affinity_matrix.study IS 'Study';
COMMENT ON COLUMN affinity_matrix.target IS 'Task served';
COMMENT ON COLUMN affinity_matrix.source IS 'Task whose encoder it is transferred from';
COMMENT ON COLUMN affinity_matrix.affinity IS 'Affinity';
COMMENT ON COLUMN affinity_matrix.share IS 'P1: affinity as a share of the target''s first-order affinities, sums to 1 per target';
COMMENT ON COLUMN affinity_matrix.distance IS 'exp(-20 P1), as the paper draws it: lower is better';
COMMENT ON COLUMN affinity_matrix.gain IS 'Win rate over scratch';
COMMENT ON COLUMN affinity_matrix.quality IS 'Win rate over the task-specific network';

-- How alike two sources are: the distance between what they give to every target.
-- Each source is the vector of sqrt(P1) over the targets; Ward linkage on them is the similarity tree.
-- grain: study, source_a, source_b (source_a < source_b)
CREATE OR REPLACE VIEW task_similarity AS
SELECT
    a.study,
    a.source AS source_a,
    b.source AS source_b,
    sqrt(sum(power(sqrt(a.share) - sqrt(b.share), 2))) AS distance,
    count(*) AS targets
FROM affinity_matrix AS a
JOIN affinity_matrix AS b ON a.study = b.study AND a.target = b.target AND a.source < b.source
GROUP BY ALL;
COMMENT ON VIEW task_similarity IS 'Euclidean distance between two sources in what they give to the targets';
COMMENT ON COLUMN task_similarity.study IS 'Study';
COMMENT ON COLUMN task_similarity.source_a IS 'One source';
COMMENT ON COLUMN task_similarity.source_b IS 'Another, later in the alphabet';
COMMENT ON COLUMN task_similarity.distance IS 'Euclidean distance of their columns of sqrt(P1); 0 is alike';
COMMENT ON COLUMN task_similarity.targets IS 'Targets that both were measured on';

-- Which higher-order transfers the paper's search would train next, from the first-order affinities.
-- Zamir et al. 2018, section 3.3: pairs and triples of the five best sources, quadruples of the best
-- six; from order 5 on one candidate, the k best. A target's own encoder is no candidate.
-- grain: study, target, transfer_order, sources
CREATE OR REPLACE VIEW beam AS
WITH ranked AS (
    SELECT
        study,
        target,
        source,
        row_number() OVER (PARTITION BY study, target ORDER BY affinity DESC, source) AS place
    FROM affinity_matrix
    WHERE source <> target
),
small AS (
    SELECT a.study, a.target, 2 AS transfer_order, [a.source, b.source] AS sources
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    WHERE b.place <= 5
    UNION ALL
    SELECT a.study, a.target, 3, [a.source, b.source, c.source]
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    JOIN ranked AS c ON (a.study, a.target) = (c.study, c.target) AND b.place < c.place
    WHERE c.place <= 5
    UNION ALL
    SELECT a.study, a.target, 4, [a.source, b.source, c.source, d.source]
    FROM ranked AS a
    JOIN ranked AS b ON (a.study, a.target) = (b.study, b.target) AND a.place < b.place
    JOIN ranked AS c ON (a.study, a.target) = (c.study, c.target) AND b.place < c.place
    JOIN ranked AS d ON (a.study, a.target) = (d.study, d.target) AND c.place < d.place
    WHERE d.place <= 6
),
best AS (
    SELECT
        study,
        target,
        place AS transfer_order,
        list(source) OVER (
            PARTITION BY study, target ORDER BY place
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS sources
    FROM ranked
)
SELECT study, target, transfer_order, sources FROM small
UNION ALL
SELECT study, target, transfer_order::INTEGER, sources FROM best WHERE transfer_order >= 5;
COMMENT ON VIEW beam IS 'Higher-order transfers the paper''s search would train, from first-order affinities';
COMMENT ON COLUMN beam.study IS 'Study';
COMMENT ON COLUMN beam.target IS 'Task to serve';
COMMENT ON COLUMN beam.transfer_order IS 'Number of sources';
COMMENT ON COLUMN beam.sources IS 'Sources, best first';

-- What is missing: first-order transfers a study's roles call for that have no affinity yet.
-- grain: study, target, source
CREATE OR REPLACE VIEW coverage AS
SELECT
    t.study,
    t.task AS target,
    s.task AS source,
    any_value(m.affinity) IS NOT NULL AS measured
FROM task AS t
JOIN task AS s ON s.study = t.study AND s.role IN ('both', 'source-only')
LEFT JOIN measured_transfer AS m
    ON m.study = t.study AND m.target = t.task AND m.kind = 'transfer' AND m.sources = [s.task]
WHERE t.role IN ('both', 'target-only')
GROUP BY t.study, t.task, s.task;
COMMENT ON VIEW coverage IS 'First-order transfers the roles call for, and whether each has an affinity';
COMMENT ON COLUMN coverage.study IS 'Study';
COMMENT ON COLUMN coverage.target IS 'Task to serve';
COMMENT ON COLUMN coverage.source IS 'Task to transfer from';
COMMENT ON COLUMN coverage.measured IS 'Whether its affinity is known';

-- What each taxonomy does for each target, with the figures of the transfer it chose.
-- grain: study, scenario, budget, max_order, target
CREATE OR REPLACE VIEW taxonomy_choice AS
SELECT
    e.study,
    e.scenario,
    e.budget,
    e.max_order,
    e.target,
    m.kind,
    m.sources,
    m.affinity,
    m.gain,
    m.quality
FROM taxonomy_edge AS e
JOIN measured_transfer AS m USING (study, transfer_id);
COMMENT ON VIEW taxonomy_choice IS 'Chosen transfer of each target in each taxonomy, with its figures';
COMMENT ON COLUMN taxonomy_choice.study IS 'Study';
COMMENT ON COLUMN taxonomy_choice.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_choice.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_choice.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_choice.target IS 'Task served';
COMMENT ON COLUMN taxonomy_choice.kind IS 'task-specific when the target is served by its own network';
COMMENT ON COLUMN taxonomy_choice.sources IS 'Tasks it is served from';
COMMENT ON COLUMN taxonomy_choice.affinity IS 'Affinity of the transfer';
COMMENT ON COLUMN taxonomy_choice.gain IS 'Win rate over scratch';
COMMENT ON COLUMN taxonomy_choice.quality IS 'Win rate over the task-specific network';

-- What supervision buys: mean gain and quality of the optimal taxonomy against the budget.
-- grain: study, scenario, budget, max_order
CREATE OR REPLACE VIEW taxonomy_curve AS
SELECT
    t.study,
    t.scenario,
    t.budget,
    t.max_order,
    t.objective,
    avg(c.gain) AS mean_gain,
    avg(c.quality) AS mean_quality,
    count(*) AS targets
FROM taxonomy AS t
JOIN taxonomy_choice AS c USING (study, scenario, budget, max_order)
GROUP BY ALL;
COMMENT ON VIEW taxonomy_curve IS 'Mean gain and quality of each taxonomy over its targets';
COMMENT ON COLUMN taxonomy_curve.study IS 'Study';
COMMENT ON COLUMN taxonomy_curve.scenario IS 'Settings it was solved with';
COMMENT ON COLUMN taxonomy_curve.budget IS 'Supervision budget';
COMMENT ON COLUMN taxonomy_curve.max_order IS 'Most sources one transfer may have';
COMMENT ON COLUMN taxonomy_curve.objective IS 'Objective of the integer program';
COMMENT ON COLUMN taxonomy_curve.mean_gain IS 'Mean win rate over scratch, over the targets';
COMMENT ON COLUMN taxonomy_curve.mean_quality IS 'Mean win rate over the task-specific networks, over the targets';
COMMENT ON COLUMN taxonomy_curve.targets IS 'Targets served';

INSERT INTO schema_version VALUES (1, TIMESTAMP '2026-11-22 00:00:00');
