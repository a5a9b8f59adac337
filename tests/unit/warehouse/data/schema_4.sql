-- Schema version 4 as it was, to make a warehouse file of that version from.
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
    origin        VARCHAR   NOT NULL CHECK (origin IN ('published', 'trained')),
    source_name   VARCHAR   NOT NULL,
    source_sha256 VARCHAR   NOT NULL,
    loaded_at     TIMESTAMP NOT NULL
);
COMMENT ON TABLE study IS 'One row per study: where its measurements came from';
COMMENT ON COLUMN study.study IS 'Name of the study';
COMMENT ON COLUMN study.origin IS 'published: imported win rates and affinities, as printed; trained: computed here from losses';
COMMENT ON COLUMN study.source_name IS 'Name of the file the measurements came from; of a trained study, its artifact root';
COMMENT ON COLUMN study.source_sha256 IS 'SHA-256 of what was imported (of a trained study, of its specification): the same content is never imported twice';
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

-- Every network that can serve a target: its own, one transferred from sources, or one from scratch;
-- and the statistical best guess, a constant answer that any network should beat.
-- grain: study, transfer_id
CREATE TABLE transfer (
    study          VARCHAR   NOT NULL,
    transfer_id    INTEGER   NOT NULL,
    target         VARCHAR   NOT NULL,
    kind           VARCHAR   NOT NULL
        CHECK (kind IN ('task-specific', 'transfer', 'scratch', 'best-guess')),
    transfer_order INTEGER   NOT NULL CHECK (transfer_order >= 1),
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

-- The trials whose losses are here: a short number for each digest. A trial that two studies share is
-- kept once; both name it by its digest in table transfer.
-- grain: trial_id
CREATE TABLE trial (
    trial_id  INTEGER   NOT NULL PRIMARY KEY,
    digest    VARCHAR   NOT NULL UNIQUE,
    images    BIGINT    NOT NULL CHECK (images >= 1),
    loaded_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE trial IS 'Trials whose losses this warehouse holds, one row each';
COMMENT ON COLUMN trial.trial_id IS 'Number of the trial in this warehouse, in the order of loading';
COMMENT ON COLUMN trial.digest IS 'SHA-256 of the trial''s canonical JSON, see transfer.digest';
COMMENT ON COLUMN trial.images IS 'Held-out images it was evaluated on: its rows in trial_loss';
COMMENT ON COLUMN trial.loaded_at IS 'When its losses were loaded (UTC)';

-- What each trial's network lost on each held-out image: by far the largest table. View loss names the
-- study and the transfer; here stands only a number, because 160 million study names cost more to
-- write than the losses themselves. For the same reason there is no primary key (the loader refuses
-- duplicates, an audit looks for them) and the compression is settled, not searched for.
-- grain: trial_id, image_id
CREATE TABLE trial_loss (
    trial_id INTEGER NOT NULL USING COMPRESSION bitpacking,
    image_id UBIGINT NOT NULL USING COMPRESSION bitpacking,
    loss     FLOAT   NOT NULL USING COMPRESSION uncompressed
);
COMMENT ON TABLE trial_loss IS 'Loss of each trial on each held-out image; view loss names study and transfer';
COMMENT ON COLUMN trial_loss.trial_id IS 'Trial, see table trial';
COMMENT ON COLUMN trial_loss.image_id IS 'Held-out image';
COMMENT ON COLUMN trial_loss.loss IS 'Loss on that image, finite; lower is better';

-- The images that the networks of a target are compared on. Targets may differ: labels are missing
-- here and there. Losses on any other image are left alone.
-- grain: study, target, image_id
CREATE TABLE heldout_image (
    study    VARCHAR NOT NULL,
    target   VARCHAR NOT NULL,
    image_id UBIGINT NOT NULL
);
COMMENT ON TABLE heldout_image IS 'Held-out images of each target: where its networks are compared';
COMMENT ON COLUMN heldout_image.study IS 'Study';
COMMENT ON COLUMN heldout_image.target IS 'Task that is solved';
COMMENT ON COLUMN heldout_image.image_id IS 'Image, as losses name it';

-- How often one network of a target beat another, image by image: exact counts, in both directions.
-- Two networks are compared on the images that both have a loss for, and the number of these is kept.
-- Filled by `update_win_rates` with a compiled kernel; sql/oracles/win_rate.sql says the same in SQL.
-- grain: study, target, transfer_id, rival_id (transfer_id <> rival_id)
CREATE TABLE win_rate (
    study       VARCHAR NOT NULL,
    target      VARCHAR NOT NULL,
    transfer_id INTEGER NOT NULL,
    rival_id    INTEGER NOT NULL,
    wins        BIGINT  NOT NULL,
    ties        BIGINT  NOT NULL,
    images      BIGINT  NOT NULL
);
COMMENT ON TABLE win_rate IS 'Images on which one network of a target beat another; win rate = (wins + ties / 2) / images';
COMMENT ON COLUMN win_rate.study IS 'Study';
COMMENT ON COLUMN win_rate.target IS 'Task that both solve';
COMMENT ON COLUMN win_rate.transfer_id IS 'One transfer, see table transfer';
COMMENT ON COLUMN win_rate.rival_id IS 'The transfer it is compared with';
COMMENT ON COLUMN win_rate.wins IS 'Images on which its loss is lower than its rival''s';
COMMENT ON COLUMN win_rate.ties IS 'Images on which the two losses are equal';
COMMENT ON COLUMN win_rate.images IS 'Held-out images that both have a loss for';

-- Affinities computed from win rates, one target at a time, whenever a target's win rates change.
-- Kept because computing all of them takes longer than a query should (0.3 s at the paper's scale),
-- and filled by that very SQL: macro ahp. An audit recomputes it and compares.
-- grain: study, transfer_id
CREATE TABLE computed_affinity (
    study       VARCHAR NOT NULL,
    target      VARCHAR NOT NULL,
    transfer_id INTEGER NOT NULL,
    affinity    DOUBLE  NOT NULL
);
COMMENT ON TABLE computed_affinity IS 'Affinities computed from win rates, as macro ahp returns them';
COMMENT ON COLUMN computed_affinity.study IS 'Study';
COMMENT ON COLUMN computed_affinity.target IS 'Task served';
COMMENT ON COLUMN computed_affinity.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN computed_affinity.affinity IS 'Entry of the principal eigenvector; sums to 1 over a target''s ranked transfers';

-- Finished trials that were not loaded, with the reason, until somebody puts them right.
-- grain: study, digest
CREATE TABLE quarantine (
    study   VARCHAR   NOT NULL,
    digest  VARCHAR   NOT NULL,
    folder  VARCHAR   NOT NULL,
    reason  VARCHAR   NOT NULL,
    detail  VARCHAR   NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (study, digest)
);
COMMENT ON TABLE quarantine IS 'Finished trials that were not loaded, with the reason';
COMMENT ON COLUMN quarantine.study IS 'Study';
COMMENT ON COLUMN quarantine.digest IS 'Trial, as its folder is named';
COMMENT ON COLUMN quarantine.folder IS 'Path or URI of its folder';
COMMENT ON COLUMN quarantine.reason IS 'not-a-result, not-a-trial, digest-disagrees, unknown-trial, not-parquet, wrong-columns, not-finite, duplicate-image, other-images or figures-disagree';
COMMENT ON COLUMN quarantine.detail IS 'What is wrong, where, and how to put it right';
COMMENT ON COLUMN quarantine.seen_at IS 'When a load first refused it for this reason (UTC)';

-- The bootstrap that error bars were computed from: how many replicates, of what seed.
-- grain: study
CREATE TABLE bootstrap (
    study       VARCHAR   NOT NULL PRIMARY KEY,
    seed        BIGINT    NOT NULL,
    replicates  INTEGER   NOT NULL CHECK (replicates >= 2),
    images      BIGINT    NOT NULL,
    computed_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE bootstrap IS 'Bootstrap over held-out images behind each study''s error bars';
COMMENT ON COLUMN bootstrap.study IS 'Study';
COMMENT ON COLUMN bootstrap.seed IS 'Seed of the resampling: the same seed gives the same replicates';
COMMENT ON COLUMN bootstrap.replicates IS 'Number of replicates';
COMMENT ON COLUMN bootstrap.images IS 'Held-out images drawn for each replicate, with replacement';
COMMENT ON COLUMN bootstrap.computed_at IS 'When it was computed (UTC)';

-- Each transfer's figures in every bootstrap replicate. Entry b of every list comes from the same
-- resampled images, across transfers and targets, so that whole taxonomies can be resampled.
-- grain: study, transfer_id
CREATE TABLE replicate (
    study       VARCHAR  NOT NULL,
    target      VARCHAR  NOT NULL,
    transfer_id INTEGER  NOT NULL,
    affinity    DOUBLE[],
    gain        DOUBLE[],
    quality     DOUBLE[]
);
COMMENT ON TABLE replicate IS 'Affinity, gain and quality of each transfer in every bootstrap replicate';
COMMENT ON COLUMN replicate.study IS 'Study';
COMMENT ON COLUMN replicate.target IS 'Task served';
COMMENT ON COLUMN replicate.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN replicate.affinity IS 'Affinity in each replicate; NULL where it is not ranked';
COMMENT ON COLUMN replicate.gain IS 'Win rate over scratch in each replicate; NULL where there is no such network';
COMMENT ON COLUMN replicate.quality IS 'Win rate over the task-specific network in each replicate; NULL where there is none';

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

-- What each trained study asked for, so that it can be loaded again without its file.
-- grain: study
CREATE TABLE study_document (
    study    VARCHAR NOT NULL PRIMARY KEY,
    document VARCHAR NOT NULL
);
COMMENT ON TABLE study_document IS 'The Study of each trained study, its task dictionary included';
COMMENT ON COLUMN study_document.study IS 'Study';
COMMENT ON COLUMN study_document.document IS 'The Study as JSON, as taskonomyctl load -f reads it';

-- What each loaded trial said of itself, besides its losses: one row for every transfer of a trained study.
-- What is long and each its own is not compressed: a load of one network writes these columns anew, and
-- half of that went into looking for a compression (20 ms for 3,000 trials, to save 1 MB).
-- grain: study, transfer_id
CREATE TABLE trial_result (
    study         VARCHAR   NOT NULL,
    transfer_id   INTEGER   NOT NULL,
    digest        VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    seed          INTEGER   NOT NULL,
    status        VARCHAR   NOT NULL CHECK (status IN ('complete', 'stopped-early')),
    steps         BIGINT    NOT NULL,
    images        BIGINT    NOT NULL,
    skipped       BIGINT    NOT NULL,
    mean_loss     DOUBLE    NOT NULL,
    gpu_seconds   DOUBLE    NOT NULL,
    started_at    TIMESTAMP NOT NULL,
    finished_at   TIMESTAMP NOT NULL,
    trained_for   VARCHAR   NOT NULL,
    job           VARCHAR   NOT NULL,
    folder        VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    trial         VARCHAR   NOT NULL USING COMPRESSION uncompressed,
    PRIMARY KEY (study, digest)
);
COMMENT ON TABLE trial_result IS 'What each loaded trial said of itself: cost, length, mean loss, where it lies';
COMMENT ON COLUMN trial_result.study IS 'Study';
COMMENT ON COLUMN trial_result.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN trial_result.digest IS 'Trial: the sha256 of all that its result depends on';
COMMENT ON COLUMN trial_result.seed IS 'Seed it was trained with';
COMMENT ON COLUMN trial_result.status IS 'complete, or stopped-early when validation stopped getting better';
COMMENT ON COLUMN trial_result.steps IS 'Optimiser steps taken';
COMMENT ON COLUMN trial_result.images IS 'Held-out images it was judged on';
COMMENT ON COLUMN trial_result.skipped IS 'Held-out images it could not be judged on';
COMMENT ON COLUMN trial_result.mean_loss IS 'Mean loss over its held-out images';
COMMENT ON COLUMN trial_result.gpu_seconds IS 'Seconds of training and evaluation times GPUs held; on CPUs the seconds';
COMMENT ON COLUMN trial_result.started_at IS 'When its first attempt began (UTC)';
COMMENT ON COLUMN trial_result.finished_at IS 'When it was done (UTC)';
COMMENT ON COLUMN trial_result.trained_for IS 'Study it was trained for; this one uses it too when they differ';
COMMENT ON COLUMN trial_result.job IS 'Job that trained it; empty when not known';
COMMENT ON COLUMN trial_result.folder IS 'Path or URI of its folder under the artifact root';
COMMENT ON COLUMN trial_result.trial IS 'The trial as canonical JSON';

-- Every loss with the study and the transfer it belongs to, over table trial_loss.
-- grain: study, transfer_id, image_id
CREATE OR REPLACE VIEW loss AS
SELECT
    t.study,
    t.transfer_id,
    l.image_id,
    l.loss
FROM transfer AS t
JOIN trial USING (digest)
JOIN trial_loss AS l USING (trial_id);
COMMENT ON VIEW loss IS 'Loss of every transfer on every held-out image';
COMMENT ON COLUMN loss.study IS 'Study';
COMMENT ON COLUMN loss.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN loss.image_id IS 'Held-out image';
COMMENT ON COLUMN loss.loss IS 'Loss on that image; lower is better';

-- How many times better one transfer is than another: Saaty's pairwise comparison.
-- Zamir et al. 2018, section 3.3: W is clipped to [0.001, 0.999] and R = W / Wᵀ. With a tie counting
-- half on both sides Wᵀ is 1 - W. Baselines (scratch, best guess) are not ranked, so not compared.
-- A pair counts as compared when both have losses for at least a hundredth of the images that the
-- target's best-covered pair shares: fewer say nothing.
-- grain: study, target, transfer_id, rival_id
CREATE OR REPLACE VIEW win_ratio AS
WITH ranked_kind AS (
    SELECT study, transfer_id FROM transfer WHERE kind IN ('task-specific', 'transfer')
),
compared AS (
    SELECT
        study,
        target,
        w.transfer_id,
        w.rival_id,
        w.images,
        greatest(0.001::DOUBLE, least(0.999::DOUBLE, (w.wins + w.ties / 2) / w.images)) AS win_rate
    FROM win_rate AS w
    SEMI JOIN ranked_kind AS a USING (study, transfer_id)
    SEMI JOIN ranked_kind AS b ON (b.study, b.transfer_id) = (w.study, w.rival_id)
    WHERE w.images > 0
    QUALIFY w.images >= max(w.images) OVER (PARTITION BY study, target) / 100
)
SELECT
    study,
    target,
    transfer_id,
    rival_id,
    images,
    win_rate,
    win_rate / (1 - win_rate) AS ratio
FROM compared;
COMMENT ON VIEW win_ratio IS 'How many times better one transfer is than another, R = W / Wᵀ';
COMMENT ON COLUMN win_ratio.study IS 'Study';
COMMENT ON COLUMN win_ratio.target IS 'Task that both solve';
COMMENT ON COLUMN win_ratio.transfer_id IS 'One transfer, see table transfer';
COMMENT ON COLUMN win_ratio.rival_id IS 'The transfer it is compared with';
COMMENT ON COLUMN win_ratio.images IS 'Images they are compared on';
COMMENT ON COLUMN win_ratio.win_rate IS 'Share of images on which it loses less than its rival, ties counting half, within [0.001, 0.999]';
COMMENT ON COLUMN win_ratio.ratio IS 'Win rate over the rival''s win rate, between 1/999 and 999';

-- How much a transfer helps its target, comparable across all of the target's transfers:
-- as printed for published studies, the AHP's eigenvector (macro ahp) for trained ones.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW affinity AS
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.affinity
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.affinity IS NOT NULL
UNION ALL
SELECT study, target, transfer_id, affinity
FROM computed_affinity;
COMMENT ON VIEW affinity IS 'How much a transfer helps its target, comparable across all of the target''s transfers';
COMMENT ON COLUMN affinity.study IS 'Study';
COMMENT ON COLUMN affinity.target IS 'Task served';
COMMENT ON COLUMN affinity.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN affinity.affinity IS 'Affinity; sums to 1 over a target''s ranked transfers';

-- Win rate of each transfer over the network trained from scratch on the same data:
-- as printed for published studies, from exact counts for trained ones. The network itself
-- has 0.5; trained with several seeds, it is taken together.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW gain AS
WITH baseline AS (
    SELECT study, target, transfer_id, digest FROM transfer WHERE kind = 'scratch'
)
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.gain
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.gain IS NOT NULL
UNION ALL
SELECT
    w.study,
    w.target,
    w.transfer_id,
    (sum(w.wins) + sum(w.ties) / 2) / sum(w.images)
FROM win_rate AS w
ANTI JOIN baseline AS itself USING (study, transfer_id)
JOIN baseline ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
GROUP BY w.study, w.target, w.transfer_id
HAVING sum(w.images) > 0
UNION ALL
SELECT study, target, transfer_id, 0.5
FROM baseline
WHERE digest IN (SELECT digest FROM trial UNION ALL SELECT digest FROM trial_result);
COMMENT ON VIEW gain IS 'Win rate of each transfer over the network trained from scratch on the same data';
COMMENT ON COLUMN gain.study IS 'Study';
COMMENT ON COLUMN gain.target IS 'Task served';
COMMENT ON COLUMN gain.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN gain.gain IS 'Win rate over scratch, 0 to 1';

-- Win rate of each transfer over the fully supervised network of its target:
-- as printed for published studies, from exact counts for trained ones. The network itself
-- has 0.5; trained with several seeds, it is taken together.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW quality AS
WITH baseline AS (
    SELECT study, target, transfer_id, digest FROM transfer WHERE kind = 'task-specific'
)
SELECT
    t.study,
    t.target,
    t.transfer_id,
    m.quality
FROM transfer AS t
JOIN published_measurement AS m USING (study, transfer_id)
WHERE m.quality IS NOT NULL
UNION ALL
SELECT
    w.study,
    w.target,
    w.transfer_id,
    (sum(w.wins) + sum(w.ties) / 2) / sum(w.images)
FROM win_rate AS w
ANTI JOIN baseline AS itself USING (study, transfer_id)
JOIN baseline ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
GROUP BY w.study, w.target, w.transfer_id
HAVING sum(w.images) > 0
UNION ALL
SELECT study, target, transfer_id, 0.5
FROM baseline
WHERE digest IN (SELECT digest FROM trial UNION ALL SELECT digest FROM trial_result);
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

-- Every transfer, its seeds taken together: the means of what was measured with each. What taxonomies
-- are chosen from, as the best of several seeds would be ahead by luck alone. It goes by the number
-- of its first seed.
-- grain: study, target, kind, sources
CREATE OR REPLACE VIEW transfer_mean AS
SELECT
    study,
    min(transfer_id) AS transfer_id,
    target,
    kind,
    transfer_order,
    sources,
    from_own_encoder,
    count(*) AS seeds,
    avg(affinity ORDER BY transfer_id) AS affinity,
    avg(gain ORDER BY transfer_id) AS gain,
    avg(quality ORDER BY transfer_id) AS quality
FROM measured_transfer
GROUP BY study, target, kind, transfer_order, sources, from_own_encoder;
COMMENT ON VIEW transfer_mean IS 'Every transfer with the means of its seeds'' affinity, gain and quality';
COMMENT ON COLUMN transfer_mean.study IS 'Study';
COMMENT ON COLUMN transfer_mean.transfer_id IS 'Transfer of the first seed';
COMMENT ON COLUMN transfer_mean.target IS 'Task served';
COMMENT ON COLUMN transfer_mean.kind IS 'task-specific, transfer, scratch or best-guess';
COMMENT ON COLUMN transfer_mean.transfer_order IS 'Number of sources';
COMMENT ON COLUMN transfer_mean.sources IS 'Tasks whose encoders it stands on';
COMMENT ON COLUMN transfer_mean.from_own_encoder IS 'A transfer that has its own target among its sources: measured, left out of taxonomies';
COMMENT ON COLUMN transfer_mean.seeds IS 'Seeds it was trained with';
COMMENT ON COLUMN transfer_mean.affinity IS 'Mean affinity, NULL where none was ranked';
COMMENT ON COLUMN transfer_mean.gain IS 'Mean win rate over scratch';
COMMENT ON COLUMN transfer_mean.quality IS 'Mean win rate over the task-specific network';

-- First-order transfers as a matrix, targets by sources; the diagonal is the target's own encoder.
-- Seeds count as their mean.
-- grain: study, target, source
CREATE OR REPLACE VIEW affinity_matrix AS
SELECT
    m.study,
    target,
    sources[1] AS source,
    affinity,
    affinity / sum(affinity) OVER of_target AS share,
    exp(-20 * affinity / sum(affinity) OVER of_target) AS distance,
    gain,
    quality
FROM transfer_mean AS m
JOIN task ON task.study = m.study AND task.task = m.sources[1]
WHERE kind = 'transfer' AND transfer_order = 1 AND affinity IS NOT NULL AND task.role <> 'unused'
WINDOW of_target AS (  -- added up in one order, so that the same data gives the same bits
    PARTITION BY m.study, target ORDER BY transfer_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
);
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
    sqrt(sum(power(sqrt(a.share) - sqrt(b.share), 2) ORDER BY a.target)) AS distance,
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
JOIN transfer_mean AS m USING (study, transfer_id);
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

-- How far a target's win ratios are from being consistent, R[i,k] = R[i,j] · R[j,k]: Saaty's index
-- (λ - n) / (n - 1), λ being the principal eigenvalue and n the number of ranked transfers. It is 0
-- where one ranking explains every comparison. λ = Σ R[i,j]·A[j], for affinities A that sum to 1.
-- grain: study, target
CREATE OR REPLACE VIEW consistency AS
WITH ranked_pair AS (
    SELECT r.study, r.rival_id, r.ratio
    FROM win_ratio AS r
    SEMI JOIN computed_affinity AS a USING (study, transfer_id)
),
beaten AS (  -- per transfer, the sum of its column of R, Harker's diagonal left for later
    SELECT a.study, a.target, a.affinity, coalesce(sum(r.ratio), 0) AS ratios, count(r.ratio) AS rivals
    FROM computed_affinity AS a
    LEFT JOIN ranked_pair AS r ON (r.study, r.rival_id) = (a.study, a.transfer_id)
    GROUP BY a.study, a.target, a.transfer_id, a.affinity
),
eigen AS (
    SELECT study, target, n AS transfers, sum(affinity * (ratios + n - rivals)) AS eigenvalue
    FROM (SELECT *, count(*) OVER (PARTITION BY study, target) AS n FROM beaten)
    GROUP BY ALL
)
SELECT
    study,
    target,
    transfers,
    eigenvalue,
    CASE WHEN transfers > 1 THEN (eigenvalue - transfers) / (transfers - 1) END AS consistency_index
FROM eigen;
COMMENT ON VIEW consistency IS 'Saaty''s consistency index of each target''s win ratios';
COMMENT ON COLUMN consistency.study IS 'Study';
COMMENT ON COLUMN consistency.target IS 'Task served';
COMMENT ON COLUMN consistency.transfers IS 'Transfers ranked';
COMMENT ON COLUMN consistency.eigenvalue IS 'Principal eigenvalue of the win ratios';
COMMENT ON COLUMN consistency.consistency_index IS '0 where one ranking explains every comparison; NULL for a single transfer';

-- Did the task-specific networks learn anything: how often each beats the statistical best guess (the
-- constant answer that loses least) and a readout on random features. Zamir et al. 2018, table 1.
-- grain: study, target
CREATE OR REPLACE VIEW sanity AS
SELECT
    m.study,
    m.target,
    max(1 - m.quality) FILTER (m.kind = 'best-guess') AS over_best_guess,
    max(1 - m.quality) FILTER (m.kind = 'transfer' AND source.loss = 'none') AS over_random,
    max(m.gain) FILTER (m.kind = 'task-specific') AS over_scratch
FROM transfer_mean AS m
LEFT JOIN task AS source
    ON (source.study, [source.task]) = (m.study, m.sources)
GROUP BY ALL;
COMMENT ON VIEW sanity IS 'How often each task-specific network beats a best guess and random features';
COMMENT ON COLUMN sanity.study IS 'Study';
COMMENT ON COLUMN sanity.target IS 'Task';
COMMENT ON COLUMN sanity.over_best_guess IS 'Win rate of its task-specific network over the statistical best guess';
COMMENT ON COLUMN sanity.over_random IS 'Win rate of its task-specific network over a readout on random features';
COMMENT ON COLUMN sanity.over_scratch IS 'Win rate of its task-specific network over the network trained from scratch on the transfer split';

-- Is a transfer better or worse than a baseline, or could a coin have done it: a sign test over images,
-- on the assumption that images are independent. Ties say nothing. Below 1,000 images that are no
-- ties the binomial's own tails are added up; from there on they are the normal's, of
-- z = (wins - losses) / √(wins + losses): p = erfc(|z| / √2) by Abramowitz and Stegun's formula
-- 7.1.26, right to 1.5e-7, as DuckDB has no erfc. Of a baseline with several seeds the counts are
-- means: its images are the same ones again, and not more. A study asks thousands of such
-- questions, so `significant` holds p against 0.05 divided by their number (Bonferroni).
-- grain: study, transfer_id, baseline
CREATE OR REPLACE VIEW significance AS
WITH tested AS (
    SELECT
        w.study,
        w.target,
        w.transfer_id,
        baseline.kind AS baseline,
        (sum(w.wins) + sum(w.ties) / 2) / sum(w.images) AS win_rate,
        round(avg(w.images))::BIGINT AS images,
        round(avg(w.images - w.ties))::BIGINT AS untied,
        round(avg(w.wins))::BIGINT AS wins
    FROM win_rate AS w
    JOIN transfer AS baseline
        ON (baseline.study, baseline.transfer_id) = (w.study, w.rival_id)
        AND baseline.kind IN ('scratch', 'task-specific')
    WHERE w.images > 0
    GROUP BY ALL
),
scored AS (
    SELECT
        *,
        (2 * wins - untied) / sqrt(greatest(untied, 1)) AS z,
        1 / (1 + 0.3275911 * abs(z) / sqrt(2)) AS t
    FROM tested
)
SELECT
    * EXCLUDE (untied, wins, t),
    CASE
        WHEN untied < 1000 THEN least(1, 2 * list_sum(list_transform(
            range(greatest(wins, untied - wins), untied + 1),
            lambda k: exp(lgamma(untied + 1) - lgamma(k + 1) - lgamma(untied - k + 1) - untied * ln(2))
        )))
        ELSE exp(-z * z / 2) * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
            + t * (-1.453152027 + t * 1.061405429))))
    END AS p_value,
    p_value < 0.05 / count(*) OVER (PARTITION BY study) AS significant
FROM scored;
COMMENT ON VIEW significance IS 'Whether each transfer differs from scratch and from its task-specific network beyond chance';
COMMENT ON COLUMN significance.study IS 'Study';
COMMENT ON COLUMN significance.target IS 'Task served';
COMMENT ON COLUMN significance.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN significance.baseline IS 'What it is compared with: scratch or task-specific';
COMMENT ON COLUMN significance.win_rate IS 'Win rate over the baseline';
COMMENT ON COLUMN significance.images IS 'Images compared';
COMMENT ON COLUMN significance.z IS 'Standard normal when neither is better; above 0 is better than the baseline';
COMMENT ON COLUMN significance.p_value IS 'Probability of counts this far from even if neither were better';
COMMENT ON COLUMN significance.significant IS 'Whether that is below 0.05 divided by the number of comparisons in the study';

-- Error bars: 95 % intervals of each transfer's figures over bootstrap replicates of the held-out
-- images (percentile method) and their standard errors. They say what other images would change,
-- not what training again would.
-- grain: study, transfer_id
CREATE OR REPLACE VIEW affinity_ci AS
SELECT
    r.study,
    r.target,
    r.transfer_id,
    m.affinity,
    list_aggregate(r.affinity, 'quantile_cont', 0.025) AS affinity_low,
    list_aggregate(r.affinity, 'quantile_cont', 0.975) AS affinity_high,
    list_aggregate(r.affinity, 'stddev_samp') AS affinity_sd,
    m.gain,
    list_aggregate(r.gain, 'quantile_cont', 0.025) AS gain_low,
    list_aggregate(r.gain, 'quantile_cont', 0.975) AS gain_high,
    list_aggregate(r.gain, 'stddev_samp') AS gain_sd,
    m.quality,
    list_aggregate(r.quality, 'quantile_cont', 0.025) AS quality_low,
    list_aggregate(r.quality, 'quantile_cont', 0.975) AS quality_high,
    list_aggregate(r.quality, 'stddev_samp') AS quality_sd
FROM replicate AS r
JOIN measured_transfer AS m USING (study, transfer_id);
COMMENT ON VIEW affinity_ci IS '95 % intervals of affinity, gain and quality over bootstrap replicates of the images';
COMMENT ON COLUMN affinity_ci.study IS 'Study';
COMMENT ON COLUMN affinity_ci.target IS 'Task served';
COMMENT ON COLUMN affinity_ci.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN affinity_ci.affinity IS 'Affinity on all held-out images';
COMMENT ON COLUMN affinity_ci.affinity_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.affinity_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.affinity_sd IS 'Its standard error';
COMMENT ON COLUMN affinity_ci.gain IS 'Win rate over scratch on all held-out images';
COMMENT ON COLUMN affinity_ci.gain_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.gain_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.gain_sd IS 'Its standard error';
COMMENT ON COLUMN affinity_ci.quality IS 'Win rate over the task-specific network on all held-out images';
COMMENT ON COLUMN affinity_ci.quality_low IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.quality_high IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN affinity_ci.quality_sd IS 'Its standard error';

-- What each stage of a study cost, from what its trials said of themselves. A trial that another
-- study paid for costs this one nothing.
-- grain: study, target, kind, transfer_order
CREATE OR REPLACE VIEW trial_cost AS
SELECT
    r.study,
    t.target,
    t.kind,
    t.transfer_order,
    count(*) AS trials,
    count(*) FILTER (r.trained_for <> r.study) AS shared,
    sum(r.gpu_seconds) FILTER (r.trained_for = r.study) / 3600 AS gpu_hours
FROM trial_result AS r
JOIN transfer AS t USING (study, transfer_id)
GROUP BY ALL;
COMMENT ON VIEW trial_cost IS 'GPU hours of each study by target, kind of trial and order';
COMMENT ON COLUMN trial_cost.study IS 'Study';
COMMENT ON COLUMN trial_cost.target IS 'Task served';
COMMENT ON COLUMN trial_cost.kind IS 'task-specific, transfer, scratch or best-guess';
COMMENT ON COLUMN trial_cost.transfer_order IS 'Number of sources; 1 where there is none';
COMMENT ON COLUMN trial_cost.trials IS 'Trials loaded';
COMMENT ON COLUMN trial_cost.shared IS 'Of these, trained for another study and used here';
COMMENT ON COLUMN trial_cost.gpu_hours IS 'GPU hours of the trials trained for this study; NULL where there is none';

-- What each first-order transfer that is not measured keeps from being known. `transfers`: the pairs,
-- triples and quadruples that the paper's search would train next were this source the target's best
-- (view beam: pairs and triples of the five best sources, quadruples of the best six), less those
-- that are measured already. `ranked`: transfers to the target whose affinities were computed
-- without it, and will change with it. `taxonomies`: solved ones that serve the target without the choice of
-- this source.
-- grain: study, target, source (not measured)
CREATE OR REPLACE VIEW blocked AS
WITH missing AS (
    SELECT study, target, source FROM coverage WHERE NOT measured
),
best AS (
    SELECT
        study,
        target,
        source,
        row_number() OVER (PARTITION BY study, target ORDER BY affinity DESC, source) AS place
    FROM affinity_matrix
    WHERE source <> target
),
candidate AS (
    SELECT m.study, m.target, m.source, [m.source, a.source] AS sources
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    WHERE a.place <= 4
    UNION ALL
    SELECT m.study, m.target, m.source, [m.source, a.source, b.source]
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    JOIN best AS b ON (b.study, b.target) = (m.study, m.target) AND a.place < b.place
    WHERE b.place <= 4
    UNION ALL
    SELECT m.study, m.target, m.source, [m.source, a.source, b.source, c.source]
    FROM missing AS m
    JOIN best AS a ON (a.study, a.target) = (m.study, m.target)
    JOIN best AS b ON (b.study, b.target) = (m.study, m.target) AND a.place < b.place
    JOIN best AS c ON (c.study, c.target) = (m.study, m.target) AND b.place < c.place
    WHERE c.place <= 5
),
higher AS (
    SELECT study, target, source, list(sources ORDER BY len(sources), sources) AS transfers
    FROM (SELECT *, list_sort(sources) AS tasks FROM candidate WHERE source <> target) AS c
    ANTI JOIN (
        SELECT study, target, list_sort(sources) AS tasks
        FROM measured_transfer
        WHERE affinity IS NOT NULL
    ) AS m USING (study, target, tasks)
    GROUP BY ALL
),
ranked AS (
    SELECT study, target, count(*) AS transfers FROM affinity GROUP BY ALL
),
served AS (
    SELECT study, target, count(*) AS taxonomies FROM taxonomy_edge GROUP BY ALL
),
own_network AS (
    SELECT DISTINCT study, target AS source FROM transfer WHERE kind = 'task-specific'
)
SELECT
    m.study,
    m.target,
    m.source,
    study.origin = 'trained' AND task.loss <> 'none' AND o.source IS NULL AS lacks_encoder,
    coalesce(h.transfers, []) AS transfers,
    coalesce(r.transfers, 0) AS ranked,
    coalesce(s.taxonomies, 0) AS taxonomies
FROM missing AS m
JOIN study USING (study)
JOIN task ON (task.study, task.task) = (m.study, m.source)
LEFT JOIN higher AS h ON (h.study, h.target, h.source) = (m.study, m.target, m.source)
LEFT JOIN ranked AS r ON (r.study, r.target) = (m.study, m.target)
LEFT JOIN served AS s ON (s.study, s.target) = (m.study, m.target)
LEFT JOIN own_network AS o ON (o.study, o.source) = (m.study, m.source);
COMMENT ON VIEW blocked IS 'What each first-order transfer that is not measured blocks';
COMMENT ON COLUMN blocked.study IS 'Study';
COMMENT ON COLUMN blocked.target IS 'Task to serve';
COMMENT ON COLUMN blocked.source IS 'Task to transfer from, not measured';
COMMENT ON COLUMN blocked.lacks_encoder IS 'Whether the source''s own network is not there either, on which the transfer waits';
COMMENT ON COLUMN blocked.transfers IS 'Higher-order transfers that cannot be chosen before it is known: sources, itself first';
COMMENT ON COLUMN blocked.ranked IS 'Transfers to the target whose affinities are computed without it; 0: the target has none';
COMMENT ON COLUMN blocked.taxonomies IS 'Solved taxonomies that serve the target without the choice of it';

-- Do sources of one group help targets of a group more than sources of another: the difference of
-- their gains, first order alone, a target's own encoder left out. Each target counts once: the mean
-- of its gains from one group less that from the other, then the mean over the targets that have both.
-- Error bars: 2.5 and 97.5 % of the same over bootstrap replicates of the held-out images, where the
-- study has any. Zamir et al. 2018, section 5: geometric sources serve geometric targets best.
-- grain: study, target_group, source_group, other_group
CREATE OR REPLACE VIEW group_effect AS
WITH edge AS (
    SELECT
        m.study,
        m.target,
        m.transfer_id,
        t.task_group AS target_group,
        s.task_group AS source_group,
        m.gain
    FROM measured_transfer AS m
    JOIN task AS t ON (t.study, t.task) = (m.study, m.target)
    JOIN task AS s ON (s.study, [s.task]) = (m.study, m.sources)
    WHERE m.kind = 'transfer' AND NOT m.from_own_encoder AND m.gain IS NOT NULL
),
drawn AS (  -- replicate 0 is the measurement itself
    SELECT study, target, transfer_id, target_group, source_group, 0 AS replicate, gain FROM edge
    UNION ALL
    SELECT
        study, target, transfer_id, target_group, source_group,
        generate_subscripts(r.gain, 1), unnest(r.gain)
    FROM edge
    JOIN replicate AS r USING (study, target, transfer_id)
),
by_target AS (  -- added up in one order, so that the same data gives the same bits
    SELECT
        study, target, target_group, source_group, replicate,
        avg(gain ORDER BY transfer_id) AS gain
    FROM drawn
    GROUP BY ALL
),
difference AS (
    SELECT
        a.study,
        a.target_group,
        a.source_group,
        b.source_group AS other_group,
        a.replicate,
        count(*) AS targets,
        avg(a.gain - b.gain ORDER BY a.target) AS effect
    FROM by_target AS a
    JOIN by_target AS b
        ON (a.study, a.target, a.replicate) = (b.study, b.target, b.replicate)
        AND a.source_group <> b.source_group
    GROUP BY ALL
)
SELECT
    study,
    target_group,
    source_group,
    other_group,
    max(targets) FILTER (replicate = 0) AS targets,
    max(effect) FILTER (replicate = 0) AS effect,
    quantile_cont(effect, 0.025) FILTER (replicate > 0) AS effect_low,
    quantile_cont(effect, 0.975) FILTER (replicate > 0) AS effect_high
FROM difference
GROUP BY ALL;
COMMENT ON VIEW group_effect IS 'How much more gain sources of one group bring to targets of a group than those of another';
COMMENT ON COLUMN group_effect.study IS 'Study';
COMMENT ON COLUMN group_effect.target_group IS 'Group of the targets';
COMMENT ON COLUMN group_effect.source_group IS 'Group of the sources';
COMMENT ON COLUMN group_effect.other_group IS 'Group of the sources they are compared with';
COMMENT ON COLUMN group_effect.targets IS 'Targets that were measured from both';
COMMENT ON COLUMN group_effect.effect IS 'Mean over these of the difference of mean gains; above 0, source_group helps more';
COMMENT ON COLUMN group_effect.effect_low IS 'Lower end of its 95 % interval; NULL without a bootstrap';
COMMENT ON COLUMN group_effect.effect_high IS 'Upper end of its 95 % interval; NULL without a bootstrap';

-- The analytic hierarchy process (Saaty; Zamir et al. 2018, section 3.3): per target, the principal
-- eigenvector of the matrix R of win ratios, by power iteration. FROM ahp('study', 'target') ranks one
-- target, FROM ahp('study', NULL) all of a study, FROM ahp(NULL, NULL) everything.
--
-- Each step squares the matrix, so step k stands for 2^k steps of plain power iteration: 5 where win
-- rates are well-behaved, 16 for near-cyclic ones on which the plain form takes 15,000. Squaring also
-- squares the error: once two steps agree to 1e-8, the later one is right to about 1e-16.
--
-- Where pairs are not compared: ranked are the best-covered transfer of the target (the one whose
-- comparisons add up to the most images) and all that were compared with it; among these a missing
-- pair is filled in as Harker (1987) does, 0 in its place and 1 more on the diagonal for each that
-- a row misses. The other transfers are measured and not ranked: no row.
-- grain: study, transfer_id
CREATE OR REPLACE MACRO ahp(of_study, of_target) AS TABLE
WITH RECURSIVE pair AS MATERIALIZED (
    SELECT study, target, transfer_id, rival_id, images, ratio
    FROM win_ratio
    WHERE (of_study IS NULL OR study = of_study) AND (of_target IS NULL OR target = of_target)
),
entrant AS (
    SELECT t.study, t.target, t.transfer_id, coalesce(sum(p.images), 0) AS images
    FROM transfer AS t
    LEFT JOIN pair AS p USING (study, target, transfer_id)
    WHERE t.kind IN ('task-specific', 'transfer')
      AND t.digest IN (SELECT digest FROM trial UNION ALL SELECT digest FROM trial_result)
      AND (of_study IS NULL OR t.study = of_study)
      AND (of_target IS NULL OR t.target = of_target)
    GROUP BY ALL
),
hub AS (
    SELECT study, target, first(transfer_id ORDER BY images DESC, transfer_id) AS transfer_id
    FROM entrant
    GROUP BY ALL
),
ranked AS (
    SELECT study, target, transfer_id FROM hub
    UNION ALL
    SELECT p.study, p.target, p.transfer_id
    FROM pair AS p
    JOIN hub ON (hub.study, hub.target, hub.transfer_id) = (p.study, p.target, p.rival_id)
),
line AS (  -- a row of R; not compared with itself either, which makes the 1 of R's diagonal
    SELECT
        study,
        target,
        a.transfer_id,
        list(b.transfer_id ORDER BY b.transfer_id) AS rivals,
        list(p.ratio ORDER BY b.transfer_id) AS ratios,
        len(ratios) - list_count(ratios) AS not_compared
    FROM ranked AS a
    JOIN ranked AS b USING (study, target)
    LEFT JOIN pair AS p
        ON (p.study, p.target, p.transfer_id, p.rival_id)
         = (study, target, a.transfer_id, b.transfer_id)
    GROUP BY ALL
),
power AS (
    SELECT
        study,
        target,
        list(transfer_id ORDER BY transfer_id) AS transfers,
        list(
            list_transform(ratios, lambda ratio, k:
                if(rivals[k] = transfer_id, not_compared, coalesce(ratio, 0))::DOUBLE)
            ORDER BY transfer_id
        ) AS matrix,
        []::DOUBLE[] AS vector,
        0 AS step,
        false AS settled
    FROM line
    GROUP BY ALL
    UNION ALL
    SELECT
        study,
        target,
        transfers,
        list_transform(matrix, lambda a:
            list_transform(columns, lambda b: list_dot_product(a, b) / total ** 2)),
        list_transform(matrix, lambda a: list_sum(a) / total) AS next_vector,
        step + 1,
        step > 0 AND list_distance(next_vector, if(step > 0, vector, next_vector)) < 1e-8
    FROM (
        SELECT
            *,
            list_transform(transfers, lambda _, i: list_transform(matrix, lambda a: a[i])) AS columns,
            list_sum(list_transform(matrix, lambda a: list_sum(a))) AS total
        FROM power
        WHERE NOT settled AND step < 64
    )
)
SELECT
    study,
    target,
    unnest(max_by(transfers, step)) AS transfer_id,
    unnest(max_by(vector, step)) AS affinity
FROM power
GROUP BY study, target;

INSERT INTO schema_version VALUES (4, TIMESTAMP '2020-01-01');
