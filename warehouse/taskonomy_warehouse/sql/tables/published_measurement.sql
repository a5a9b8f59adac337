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
