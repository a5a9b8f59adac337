-- Every chosen edge must point at a transfer to its target that is there. Returns those that do not.
SELECT e.study, e.scenario, e.budget, e.max_order, e.target, e.transfer_id
FROM taxonomy_edge AS e
LEFT JOIN transfer AS t USING (study, transfer_id)
WHERE t.target IS DISTINCT FROM e.target;
