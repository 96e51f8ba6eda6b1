"""The service's words for how a job stands, in ours."""

from __future__ import annotations

from typing import Any

import pytest

from include.documents import Reason, State
from training_services.azure_ml.machines import PRESETS, environment, preset
from training_services.azure_ml.states import moment, reason_of, status_of

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def described(status: str, **properties: Any) -> dict[str, Any]:
    """A job as the service has it."""
    owner = {"LANNER_OWNER": "scheduled__2026-11-20T00:00:00+00:00"}
    fields = {"status": status, "environmentVariables": owner, **properties}
    return {"id": f"{WORKSPACE}/jobs/lanner-a1", "name": "lanner-a1", "properties": fields}


def ran(seconds: int, **more: Any) -> dict[str, Any]:
    """Details of a run."""
    times = {"startTimeUtc": "2026-11-20T10:01:00.1234567Z", "endTimeUtc": f"2026-11-20T10:{1 + seconds // 60:02}:00Z"}
    return {**times, **more}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("NotStarted", State.PENDING),
        ("Preparing", State.PENDING),
        ("Queued", State.PENDING),
        ("Paused", State.PENDING),
        ("Running", State.RUNNING),
        ("Finalizing", State.RUNNING),
        ("NotResponding", State.RUNNING),
        ("CancelRequested", State.RUNNING),
        ("Completed", State.SUCCEEDED),
        ("Canceled", State.CANCELLED),
        ("Failed", State.FAILED),
        ("ThatIsNew", State.PENDING),
    ],
)
def test_states(said: str, state: State) -> None:
    assert status_of(described(said)).state is state


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("UserError", "Execution failed. User process 'python' exited with status code 2. Please…", Reason.BAD_INPUT),
        ("UserError", "User process 'python' exited with status code 1. … quota …", Reason.TRAINER_ERROR),
        ("UserError", "User process 'python' exited with status code 75.", Reason.LOST),
        ("UserError", "User process 'python' exited with status code 137.", Reason.LOST),
        ("UserError.ClusterCoreQuotaReached", "no cores", Reason.QUOTA),
        ("SystemError", "The node was preempted", Reason.LOST),
        ("SystemError.ServiceError", "something", Reason.LOST),
        ("UserError.ImageBuildFailure", "pip", Reason.BAD_INPUT),
        ("UserError", "ScriptExecution.StreamAccess.Authentication: no", Reason.PERMISSION),
        ("UserError", "ScriptExecution.StreamAccess.NotFound: data/", Reason.BAD_INPUT),
        ("", "", Reason.TRAINER_ERROR),
    ],
)
def test_reasons_of_failures(code: str, message: str, reason: Reason) -> None:
    assert reason_of(code, message) is reason
    outer, _, inner = code.partition(".")
    error = {"code": outer, "message": message, "innerError": {"code": inner} if inner else None}
    failed = status_of(described("Failed"), ran(60, error={"error": error}))
    assert failed.reason is reason
    assert failed.message == (message or "the service does not say why")


def test_owner_run_time_and_page() -> None:
    status = status_of(described("Completed"), ran(480))
    assert status.owner == "scheduled__2026-11-20T00:00:00+00:00"
    assert status.seconds == 479.9
    assert status.console_url == f"https://ml.azure.com/runs/lanner-a1?wsid={WORKSPACE}"
    assert status_of(described("Queued")).seconds is None, "it has had no machine yet"


def test_times_with_and_without_a_zone() -> None:
    times = ("2026-11-20T10:01:00.5000000Z", "2026-11-20T10:01:00.5+00:00", "2026-11-20T10:01:00.5")
    assert len({moment(text) for text in times}) == 1


def test_who_cancelled() -> None:
    cancelled = described("Canceled", limits={"timeout": "PT10M"})
    assert status_of(cancelled, ran(60), (Reason.BUDGET, "")).reason is Reason.BUDGET
    by_others = status_of(cancelled, ran(60))
    assert (by_others.state, by_others.reason) == (State.CANCELLED, Reason.USER)
    by_its_limit = status_of(cancelled, ran(600))
    assert (by_its_limit.state, by_its_limit.reason) == (State.FAILED, Reason.TIMEOUT)
    given_up = status_of(described("CancelRequested"), cancelled=(Reason.CAPACITY, "no machine"))
    assert (given_up.state, given_up.reason, given_up.message) == (State.FAILED, Reason.CAPACITY, "no machine")
    assert given_up.renewable


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_job(name: str) -> None:
    machine = preset(name)
    assert machine.resources["resources"]["instanceCount"] == machine.workers
    assert ("distribution" in machine.resources) == (machine.workers > 1)


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'k80'; there are cpu, t4"):
        preset("k80")


def test_environments_are_named_by_what_is_in_them() -> None:
    cpu, gpu, own = (environment("lanner", gpu=False), environment("lanner", gpu=True), environment("lanner", gpu=True))
    assert cpu.path != gpu.path == own.path
    one, other = (environment("lanner", gpu=False, container=image) for image in ("ours:1", "ours:2"))
    assert (one.name, other.name) == ("lanner-own", "lanner-own")
    assert one.version != other.version
