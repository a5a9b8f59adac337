-- One loss per trial and image, and as many as the trial says. Returns trials of which that is not so.
SELECT trial_id, any_value(trial.images) AS images, count(l.loss) AS losses, count(DISTINCT l.image_id) AS distinct_images
FROM trial
FULL JOIN trial_loss AS l USING (trial_id)
GROUP BY trial_id
HAVING (count(l.loss), count(DISTINCT l.image_id)) IS DISTINCT FROM (any_value(trial.images), any_value(trial.images));
