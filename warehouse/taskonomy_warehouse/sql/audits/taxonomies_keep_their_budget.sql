-- No taxonomy may cost more than its budget. Returns those that do.
SELECT study, scenario, budget, max_order, cost
FROM taxonomy
WHERE cost > budget + 1e-6;
