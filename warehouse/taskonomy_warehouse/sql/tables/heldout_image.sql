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
