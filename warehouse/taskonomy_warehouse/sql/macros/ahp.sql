-- The analytic hierarchy process (Saaty; Zamir et al. 2018, section 3.3): per target, the principal
-- eigenvector of the matrix R of win ratios, by power iteration. FROM ahp('study', 'target') ranks one
-- target, FROM ahp('study', NULL) all of a study, FROM ahp(NULL, NULL) everything.
--
-- Each step squares the matrix, so step k stands for 2^k steps of plain power iteration: 2 where win
-- rates are well-behaved, 16 for near-cyclic ones on which the plain form takes 15,000. It ends once all
-- columns of the matrix point the same way, to 1e-13 of a cosine: then it is of rank one wherever the
-- iteration might have begun, and one more multiplication leaves an error of 1e-12 at most. That two
-- steps agree would not do: a mode that dies slowly may be all but absent from what they compare.
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
    SELECT study, target, transfer_id, sum(images) AS images FROM pair GROUP BY ALL
    UNION ALL
    SELECT t.study, t.target, t.transfer_id, 0  -- of a target without a pair: its only network
    FROM transfer AS t
    ANTI JOIN pair USING (study, target)
    WHERE t.kind IN ('task-specific', 'transfer')
      AND t.digest IN (SELECT digest FROM trial UNION ALL SELECT digest FROM trial_result)
      AND (of_study IS NULL OR t.study = of_study)
      AND (of_target IS NULL OR t.target = of_target)
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
    JOIN hub ON hub.study = p.study AND hub.transfer_id = p.rival_id
),
placed AS (
    SELECT *, row_number() OVER (PARTITION BY study, target ORDER BY transfer_id) AS place FROM ranked
),
line AS (  -- a row of R; not compared with itself either, which makes the 1 of R's diagonal
    SELECT study, target, a.transfer_id, a.place, list(p.ratio ORDER BY b.place) AS ratios
    FROM placed AS a
    JOIN placed AS b USING (study, target)
    LEFT JOIN pair AS p
        ON p.study = study AND p.transfer_id = a.transfer_id AND p.rival_id = b.transfer_id
    GROUP BY ALL
),
power AS (
    SELECT
        study,
        target,
        list(transfer_id ORDER BY place) AS transfers,
        list(
            list_transform(ratios, lambda ratio, k:
                if(k = place, len(ratios) - list_count(ratios), coalesce(ratio, 0))::DOUBLE)
            ORDER BY place
        ) AS matrix,
        0 AS step
    FROM line
    GROUP BY ALL
    UNION ALL
    SELECT
        study,
        target,
        transfers,
        list_transform(matrix, lambda a:
            list_transform(columns, lambda b: list_dot_product(a, b) / total ** 2)),
        step + 1
    FROM (
        SELECT
            *,
            list_transform(transfers, lambda _, i: list_transform(matrix, lambda a: a[i])) AS columns,
            list_transform(matrix, lambda a: list_sum(a)) AS sums,
            list_sum(sums) AS total
        FROM power
        WHERE step < 64
    )
    WHERE list_max(list_transform(columns, lambda b: list_cosine_distance(b, sums))) > 1e-13
),
settled AS (
    SELECT study, target, max_by(transfers, step) AS ids, max_by(matrix, step) AS flat
    FROM power
    GROUP BY study, target
)
SELECT
    study,
    target,
    unnest(ids) AS transfer_id,
    unnest(list_transform(weights, lambda weight: weight / total)) AS affinity
FROM (
    SELECT *, list_sum(weights) AS total
    FROM (
        SELECT *, list_transform(flat, lambda a: list_dot_product(a, sums)) AS weights
        FROM (SELECT *, list_transform(flat, lambda a: list_sum(a)) AS sums FROM settled)
    )
);
