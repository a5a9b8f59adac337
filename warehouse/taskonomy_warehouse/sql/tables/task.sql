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
