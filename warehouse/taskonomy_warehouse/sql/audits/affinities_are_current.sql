-- Computed affinities are kept; computing them again from the win rates must give the same. Returns
-- those that are stale, missing or too many.
SELECT study, transfer_id, kept.affinity AS kept, again.affinity AS again
FROM computed_affinity AS kept
FULL JOIN ahp(NULL, NULL) AS again USING (study, transfer_id)
WHERE coalesce(abs(kept.affinity - again.affinity) > 1e-9, true);
