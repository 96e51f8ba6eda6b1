"""What the next jobs are to suffer, set through the stand-in's control endpoint and kept on disk.

==============  =======================================================================================
``quota``       refused: the quota for its machine is used up
``permission``  refused: the caller may not create jobs
``capacity``    accepted, fails before it runs: no machines in the region
``user_code``   the module is replaced by one that raises
``memory``      the primary replica is killed, as if it had run out of memory
``internal``    fails by the service's own fault
``preempted``   its machines are taken away once, and it begins anew
==============  =======================================================================================
"""

from __future__ import annotations

from typing import Any

from tests.standins.google import vertex_machines as machines
from tests.standins.google.errors import permission_denied, quota_exceeded
from tests.standins.google.vertex_status import PENDING, QUEUED

STRIKING = frozenset({"memory", "internal", "preempted"})  # a job that runs
KINDS = STRIKING | {"quota", "permission", "capacity", "user_code"}
HOLDS = frozenset({QUEUED, PENDING})


def refuse_as_wished(wish: dict[str, Any], parent: str, job_spec: dict[str, Any]) -> None:
    """Refuse the job if that is the wish."""
    if wish.get("fault") == "quota":
        raise quota_exceeded(sorted(machines.quota_use(job_spec)))
    if wish.get("fault") == "permission":
        raise permission_denied("aiplatform.customJobs.create", parent)
