"""Defaults of every DAG: who owns it, how it is retried, how it is found in the list."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule


class Tag(StrEnum):
    """The one list of tags."""

    DATA = "data"
    TRAINING = "training"
    COMPARISON = "comparison"
    SETUP = "setup"
    LABELLING = "labelling"


# What a person has to mend is not tried again; what a network or a machine did is.
RETRY_BY_REASON = ExceptionRetryPolicy(
    [
        RetryRule(exception="builtins.PermissionError", action=RetryAction.FAIL, reason="a permission is missing"),
        RetryRule(exception="builtins.ValueError", action=RetryAction.FAIL, reason="input or settings are wrong"),
        RetryRule(exception="builtins.NotADirectoryError", action=RetryAction.FAIL, reason="the source is no folder"),
    ]
)

TASK_DEFAULTS: dict[str, Any] = {
    "owner": "lanner",
    "retries": 5,  # each kill of a worker or scheduler costs one
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": RETRY_BY_REASON,
}


def dag_defaults(*tags: Tag) -> dict[str, Any]:
    """Arguments that every DAG here gets. No ``dagrun_timeout``: it would skip the teardowns that stop jobs."""
    return {
        "default_args": TASK_DEFAULTS,
        "start_date": datetime(2026, 1, 1),
        "catchup": False,
        "tags": [tag.value for tag in tags],
        "max_active_runs": 16,
    }
