-- How often one network of a target beat another, image by image: exact counts, in both directions.
-- Two networks are compared on the images that both have a loss for, and the number of these is kept.
-- Filled by `update_win_rates` with a compiled kernel; sql/oracles/win_rate.sql says the same in SQL.
-- grain: study, target, transfer_id, rival_id (transfer_id <> rival_id)
CREATE TABLE win_rate (
    study       VARCHAR NOT NULL USING COMPRESSION dictionary,
    target      VARCHAR NOT NULL USING COMPRESSION dictionary,
    transfer_id INTEGER NOT NULL USING COMPRESSION bitpacking,
    rival_id    INTEGER NOT NULL USING COMPRESSION bitpacking,
    wins        BIGINT  NOT NULL USING COMPRESSION bitpacking,
    ties        BIGINT  NOT NULL USING COMPRESSION bitpacking,
    images      BIGINT  NOT NULL USING COMPRESSION bitpacking
);
COMMENT ON TABLE win_rate IS 'Images on which one network of a target beat another; win rate = (wins + ties / 2) / images';
COMMENT ON COLUMN win_rate.study IS 'Study';
COMMENT ON COLUMN win_rate.target IS 'Task that both solve';
COMMENT ON COLUMN win_rate.transfer_id IS 'One transfer, see table transfer';
COMMENT ON COLUMN win_rate.rival_id IS 'The transfer it is compared with';
COMMENT ON COLUMN win_rate.wins IS 'Images on which its loss is lower than its rival''s';
COMMENT ON COLUMN win_rate.ties IS 'Images on which the two losses are equal';
COMMENT ON COLUMN win_rate.images IS 'Held-out images that both have a loss for';
