-- Did the task-specific networks learn anything: how often each beats the statistical best guess (the
-- constant answer that loses least) and a readout on random features. Zamir et al. 2018, table 1.
-- grain: study, target
CREATE OR REPLACE VIEW sanity AS
SELECT
    m.study,
    m.target,
    max(1 - m.quality) FILTER (m.kind = 'best-guess') AS over_best_guess,
    max(1 - m.quality) FILTER (m.kind = 'transfer' AND source.loss = 'none') AS over_random,
    max(m.gain) FILTER (m.kind = 'task-specific') AS over_scratch
FROM transfer_mean AS m
LEFT JOIN task AS source
    ON (source.study, [source.task]) = (m.study, m.sources)
GROUP BY ALL;
COMMENT ON VIEW sanity IS 'How often each task-specific network beats a best guess and random features';
COMMENT ON COLUMN sanity.study IS 'Study';
COMMENT ON COLUMN sanity.target IS 'Task';
COMMENT ON COLUMN sanity.over_best_guess IS 'Win rate of its task-specific network over the statistical best guess';
COMMENT ON COLUMN sanity.over_random IS 'Win rate of its task-specific network over a readout on random features';
COMMENT ON COLUMN sanity.over_scratch IS 'Win rate of its task-specific network over the network trained from scratch on the transfer split';
