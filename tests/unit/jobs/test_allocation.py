"""Freed memory is used again: the kernel is not asked for the same pages step after step."""

import os
import subprocess
import sys

STEPS, TENSORS, SIZE = 20, 10, 2**21
LOOP = f"""
import resource, torch
from taskonomy_jobs.allocation import keep_freed_memory
{{call}}
def step():
    return [torch.zeros({SIZE}, dtype=torch.uint8).add_(1) for _ in range({TENSORS})]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({STEPS}):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(call: str) -> int:
    code = LOOP.format(call=call)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def test_steps_use_the_memory_of_the_steps_before() -> None:
    given_back, kept = page_faults(""), page_faults("keep_freed_memory()")

    assert given_back > STEPS * TENSORS * SIZE // 2 // os.sysconf("SC_PAGE_SIZE")
    assert kept < given_back / 10
