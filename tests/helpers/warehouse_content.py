"""What a warehouse holds of its trained studies, in a form that two builds compare by.

Numbers of transfers and trials depend on the order of loads, so rows are named by digest; times of
loading are left out.
"""

import duckdb

RELATIONS = {
    "study": "SELECT study, origin, source_sha256 FROM study",
    "task": "FROM task",
    "heldout_image": "FROM heldout_image",
    "transfer": "SELECT * EXCLUDE (transfer_id) FROM transfer",
    "trial": "SELECT digest, images FROM trial",
    "trial_loss": "SELECT digest, image_id, loss FROM trial JOIN trial_loss USING (trial_id)",
    "trial_result": "SELECT * EXCLUDE (transfer_id) FROM trial_result",
    "numbers": (
        "SELECT study, digest FROM trial_result JOIN transfer USING (study, transfer_id, digest)"
    ),
    "win_rate": (
        "SELECT w.study, w.target, a.digest, b.digest AS rival, wins, ties, images "
        "FROM win_rate AS w JOIN transfer AS a USING (study, transfer_id) "
        "JOIN transfer AS b ON (b.study, b.transfer_id) = (w.study, w.rival_id)"
    ),
    "quarantine": "SELECT * EXCLUDE (seen_at) FROM quarantine",
}


def content(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every relation that a load writes, sorted."""
    return {
        name: connection.execute(f"FROM ({query}) ORDER BY ALL").fetchall()
        for name, query in RELATIONS.items()
    }
