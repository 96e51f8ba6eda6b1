"""What the next jobs are to suffer, set through the stand-in's control endpoint and kept on disk.

==============  =======================================================================================
``permission``  refused: the caller may not write jobs
``throttled``   refused: too many calls, for a second
``refused``     refused: the subscription has no quota left for another job
``capacity``    accepted, and waits in the queue for ever: Azure has no machine for its cluster
``quota``       the same: the subscription's quota does not let its cluster grow
``user_code``   the command is replaced by one that raises
``memory``      the first machine's processes are killed, as if it had run out of memory
``internal``    fails by the service's own fault
``preempted``   its machines are taken away once, as from a cluster of low priority: it waits in the queue for others
                and begins anew
==============  =======================================================================================

What a cluster says of why it does not grow is from memory.
"""

from __future__ import annotations

from typing import Any

from tests.standins.azure.azure_ml_errors import PROVIDER, Refusal, denied, throttled
from tests.standins.azure.azure_ml_status import FINALIZING, PREPARING, QUEUED

STRIKING = frozenset({"memory", "internal", "preempted"})  # a job that runs
WAITING = frozenset({"capacity", "quota"})  # a job that shall never run
KINDS = STRIKING | WAITING | {"permission", "throttled", "refused", "user_code"}
HOLDS = frozenset({PREPARING, QUEUED, FINALIZING})
RETRY_AFTER = 1.0


def refuse_as_wished(wish: dict[str, Any], scope: str, client: str) -> None:
    """Refuse a job if that is the wish."""
    match wish.get("fault"):
        case "permission":
            raise denied(f"{PROVIDER}/workspaces/jobs/write", scope, client)
        case "throttled":
            raise throttled(RETRY_AFTER)
        case "refused":
            raise Refusal(409, "QuotaExceeded", "The maximum number of active jobs of the subscription is reached.")


def complaint(fault: str, vm_size: str, region: str, cores: int) -> dict[str, Any]:
    """Why a cluster does not grow, as its resource has it."""
    if fault == "quota":
        message = (
            f"Operation could not be completed as it results in exceeding approved {vm_size} Cores quota. Current "
            f"limit: 0, Current usage: 0, Additional required: {cores}. Location: {region}."
        )
        return {"error": {"code": "ClusterCoreQuotaReached", "message": message}}
    message = f"Allocation failed. Azure has no sufficient capacity for {vm_size} in {region}."
    return {"error": {"code": "AllocationFailed", "message": message}}
