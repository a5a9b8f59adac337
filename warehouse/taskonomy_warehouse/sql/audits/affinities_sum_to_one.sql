-- A target's affinities are one eigenvector, normalised: they must sum to 1. Returns what does not.
SELECT study, target, sum(affinity) AS total
FROM affinity
GROUP BY study, target
HAVING abs(sum(affinity) - 1) > 1e-6;
