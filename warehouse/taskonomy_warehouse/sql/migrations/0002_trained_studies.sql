-- Version 1 to 2: trained studies beside published ones. Losses, win rates computed from them, and
-- their error bars; transfers name the trial that trained them.
--
-- DuckDB cannot alter a CHECK, so study and transfer are built anew and filled from the old ones.
-- What stands here is how version 2 was and stays so: sql/tables/ goes on.

ALTER TABLE study RENAME TO study_1;
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
INSERT INTO study SELECT * FROM study_1;
DROP TABLE study_1;

ALTER TABLE transfer RENAME TO transfer_1;
CREATE TABLE transfer (
    study          VARCHAR   NOT NULL,
    transfer_id    INTEGER   NOT NULL,
    target         VARCHAR   NOT NULL,
    kind           VARCHAR   NOT NULL
        CHECK (kind IN ('task-specific', 'transfer', 'scratch', 'best-guess')),
    transfer_order INTEGER   NOT NULL CHECK (transfer_order >= 1),
    sources        VARCHAR[] NOT NULL,
    digest         VARCHAR,
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
INSERT INTO transfer SELECT *, NULL FROM transfer_1;
DROP TABLE transfer_1;

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

CREATE TABLE trial_loss (
    trial_id INTEGER NOT NULL USING COMPRESSION bitpacking,
    image_id UBIGINT NOT NULL USING COMPRESSION bitpacking,
    loss     FLOAT   NOT NULL USING COMPRESSION uncompressed
);
COMMENT ON TABLE trial_loss IS 'Loss of each trial on each held-out image; view loss names study and transfer';
COMMENT ON COLUMN trial_loss.trial_id IS 'Trial, see table trial';
COMMENT ON COLUMN trial_loss.image_id IS 'Held-out image';
COMMENT ON COLUMN trial_loss.loss IS 'Loss on that image, finite; lower is better';

CREATE TABLE heldout_image (
    study    VARCHAR NOT NULL,
    target   VARCHAR NOT NULL,
    image_id UBIGINT NOT NULL
);
COMMENT ON TABLE heldout_image IS 'Held-out images of each target: where its networks are compared';
COMMENT ON COLUMN heldout_image.study IS 'Study';
COMMENT ON COLUMN heldout_image.target IS 'Task that is solved';
COMMENT ON COLUMN heldout_image.image_id IS 'Image, as losses name it';

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

CREATE TABLE study_document (
    study    VARCHAR NOT NULL PRIMARY KEY,
    document VARCHAR NOT NULL
);
COMMENT ON TABLE study_document IS 'The Study of each trained study, its task dictionary included';
COMMENT ON COLUMN study_document.study IS 'Study';
COMMENT ON COLUMN study_document.document IS 'The Study as JSON, as taskonomyctl load -f reads it';

CREATE TABLE trial_result (
    study         VARCHAR   NOT NULL,
    transfer_id   INTEGER   NOT NULL,
    digest        VARCHAR   NOT NULL,
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
    folder        VARCHAR   NOT NULL,
    trial         VARCHAR   NOT NULL,
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
