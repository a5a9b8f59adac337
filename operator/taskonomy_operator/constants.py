"""The words that taskonomy writes on Kubernetes objects, each with what reads it.

Keys that begin with ``taskonomy.dev/`` are ours. The rest belong to Kubernetes and Kueue, and are
here so that a misspelling is found by the type checker.
"""

from typing import Final

GROUP: Final = "taskonomy.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "Study"
PLURAL: Final = "studies"
MANAGER: Final = "taskonomy-operator"
"""Who writes: the field manager of every write and the value of `MANAGED_BY`."""

# --- labels: what lists and watches select by ---------------------------------------------------

STUDY_UID: Final = f"{GROUP}/study-uid"
"""Uid of the Study an object belongs to. A name may be given again after a deletion, a uid not."""
STUDY: Final = f"{GROUP}/study"
"""Name of the Study, for people who list by hand."""
STAGE: Final = f"{GROUP}/stage"
"""Stage of the trials a Job carries: ``task-specific`` to ``higher-order``."""
TARGET: Final = f"{GROUP}/target"
"""Target task; absent when a pack's trials differ in it."""
DIGEST: Final = f"{GROUP}/digest"
"""First 40 hex digits of the digest of a Job's first trial: a label's value ends at 63."""
ONE_NODE: Final = f"{GROUP}/one-node"
"""Claim whose volume one node has at a time: the scheduler keeps pods that bear it together."""
PART_OF: Final = "app.kubernetes.io/part-of"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"

# --- annotations: what is read, never selected by -----------------------------------------------

TRIALS: Final = f"{GROUP}/trials"
"""The trials of a Job, one canonical JSON a line: a downward API volume makes it the pod's file."""
DIGESTS: Final = f"{GROUP}/digests"
"""Digests of a Job's trials, in the order of its trials file, joined by commas."""
ATTEMPT: Final = f"{GROUP}/attempt"
"""Failed attempts at the trials before this Job, so that a budget of retries outlives it."""
STUDY_DOCUMENT: Final = f"{GROUP}/study-document"
"""The study itself, as JSON, for the Job that ranks its sources."""
RETRY_FAILED: Final = f"{GROUP}/retry-failed"
"""On a Study: whenever its text changes, failed trials are tried again."""
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
"""Container that ``kubectl logs`` and ``exec`` mean."""

# --- words of others -----------------------------------------------------------------------------

QUEUE_NAME: Final = "kueue.x-k8s.io/queue-name"
"""Label that hands a suspended Job to a Kueue LocalQueue; without Kueue nobody reads it."""
JOB_NAME: Final = "batch.kubernetes.io/job-name"
"""Label the Job controller gives to pods."""
JOB_UID: Final = "batch.kubernetes.io/controller-uid"
"""Label of the same: which Job of that name."""
INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""Annotation it gives to a gang's pods: which of them."""
GPU: Final = "nvidia.com/gpu"
"""Resource a GPU is asked for by, unless a profile says otherwise."""
DISRUPTION_TARGET: Final = "DisruptionTarget"
"""Pod condition of an eviction, preemption, drain or taint: nobody's fault."""
