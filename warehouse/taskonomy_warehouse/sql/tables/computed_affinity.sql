-- Affinities computed from win rates, one target at a time, whenever a target's win rates change.
-- Kept because computing all of them takes longer than a query should (0.3 s at the paper's scale),
-- and filled by that very SQL: macro ahp. An audit recomputes it and compares.
-- grain: study, transfer_id
CREATE TABLE computed_affinity (
    study       VARCHAR NOT NULL USING COMPRESSION dictionary,
    target      VARCHAR NOT NULL USING COMPRESSION dictionary,
    transfer_id INTEGER NOT NULL USING COMPRESSION bitpacking,
    affinity    DOUBLE  NOT NULL USING COMPRESSION uncompressed
);
COMMENT ON TABLE computed_affinity IS 'Affinities computed from win rates, as macro ahp returns them';
COMMENT ON COLUMN computed_affinity.study IS 'Study';
COMMENT ON COLUMN computed_affinity.target IS 'Task served';
COMMENT ON COLUMN computed_affinity.transfer_id IS 'Transfer, see table transfer';
COMMENT ON COLUMN computed_affinity.affinity IS 'Entry of the principal eigenvector; sums to 1 over a target''s ranked transfers';
