"""The controller: what turns a Study into jobs, here processes of one machine.

`plan` is the planner: a study and facts in, what to start next out; it computes and does nothing
else. `local` acts on it: it starts processes, watches them and writes down what came of them. In
between, one policy a file: `retries`, `packing`, `window`, `names`, `endings`; `observe` reads what
is known of a study, `status` says where it stands.

Knows the catalogue, and neither the training jobs nor the warehouse: it meets them in
``taskonomy_catalogue.launch`` and ``records``. The Kubernetes client may be imported by a module
``cluster`` alone.
"""
