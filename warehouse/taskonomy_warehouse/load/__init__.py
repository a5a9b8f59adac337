"""From what trials leave behind to tables: found, checked, loaded, or refused with the reason.

`session` is one `taskonomyctl load`, `loading` the story in it. `find` lists finished trials under
an artifact root and `tracking` in MLflow; `candidates` checks what a trial says of itself, `losses`
what it measured, `heldout` states which images a target is judged on; `study` and `insert` write;
`lock` lets one load in at a time; `rebuild` proves a warehouse from the artifacts.
"""
