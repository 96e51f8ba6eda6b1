"""What the next jobs are to suffer, set through the stand-in's control endpoint and kept on disk.

===============  =======================================================================================
``quota``        refused: the quota for its instances is used up
``permission``   refused: the caller may not create jobs
``throttled``    refused: too many calls
``capacity``     accepted, fails before it runs: no instances
``internal``     fails by the service's own fault
``user_code``    the program is replaced by one that raises
``memory``       the first host's program is killed, as if it had run out of memory
``interrupted``  its instances are taken away once, as from a spot job, and it goes on from its checkpoints
===============  =======================================================================================
"""

from __future__ import annotations

from typing import Any

from tests.standins.aws import sagemaker_machines as machines
from tests.standins.aws.errors import THROTTLED, Refusal, denied
from tests.standins.aws.sagemaker_status import DOWNLOADING, STARTING, UPLOADING

STRIKING = frozenset({"memory", "internal", "interrupted"})  # a job that runs
KINDS = STRIKING | {"quota", "permission", "throttled", "capacity", "user_code"}
HOLDS = frozenset({STARTING, DOWNLOADING, UPLOADING})


def refuse_as_wished(wish: dict[str, Any], account: str, operation: str, quota: str, count: int) -> None:
    """Refuse a job if that is the wish.

    Args:
        quota: the name of the quota that it needs.
        count: how many instances of it.
    """
    match wish.get("fault"):
        case "quota":
            raise machines.exceeded(quota, 0, 0, count)
        case "permission":
            raise denied(operation, account)
        case "throttled":
            raise Refusal(THROTTLED, "Rate exceeded")
