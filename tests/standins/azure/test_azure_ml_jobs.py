"""A command job on the stand-in: what its command finds, writes and says, and how it ends."""

from __future__ import annotations

import json

import pytest

from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.azure.azure_ml_fixtures import Job, out, uri
from tests.standins.azure.azure_ml_status import (
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    NOT_STARTED,
    PREPARING,
    QUEUED,
    RUNNING,
)
from tests.standins.processes import until


def test_from_submission_to_its_output(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    job = azure_ml_job(
        'cat "${{inputs.data}}/a.txt"; echo; echo careful >&2; pwd; env > "${{outputs.out}}/env.txt"',
        environmentVariables={"MODE": "quick"},
        experimentName="tries",
        limits={"jobLimitsType": "Command", "timeout": "PT600S"},
    )
    made = azure_ml.workspace.put("jobs/whole", job)
    assert made["properties"]["status"] == NOT_STARTED
    ended = azure_ml.reaches("whole")
    assert ended["properties"]["status"] == COMPLETED, azure_ml.lines("whole")
    assert azure_ml.statuses("whole") == [NOT_STARTED, PREPARING, QUEUED, RUNNING, FINALIZING, COMPLETED]
    assert azure_ml.lines("whole")[:2] == ["a", "careful"]
    found = dict(line.split("=", 1) for line in out(azure_ml, job)["env.txt"].decode().splitlines() if "=" in line)
    assert found["AZURE_ML_INPUT_data"].endswith("/inputs/data")
    assert found["AZURE_ML_OUTPUT_out"].endswith("/outputs/out")
    assert (found["AZUREML_RUN_ID"], found["AZUREML_EXPERIMENT_NAME"], found["MODE"]) == ("whole", "tries", "quick")
    assert "TF_CONFIG" not in found
    details = azure_ml.workspace.details("whole")
    assert details["startTimeUtc"] < details["endTimeUtc"]
    assert "user_logs/std_log.txt" in details["logFiles"]
    [seen] = [each for each in azure_ml.control("access")["objects"] if each["job"] == "whole"]
    assert (seen["name"], seen["bytes"]) == ("data/a.txt", 1)


def test_the_same_job_is_found_and_another_refused(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    azure_ml.control("next", {"hold": PREPARING})
    job = azure_ml_job("true", tags={"a": "1"})
    azure_ml.workspace.put("jobs/same", job)
    job["properties"] |= {"tags": {"b": "2"}, "displayName": "renamed"}
    again = azure_ml.workspace.put("jobs/same", job)["properties"]
    assert (again["tags"], again["displayName"]) == ({"a": "1", "b": "2"}, "renamed")
    with pytest.raises(FileExistsError, match=r"the existing job's Command,  EnvironmentVariables cannot be changed"):
        azure_ml.workspace.put("jobs/same", azure_ml_job("false", environmentVariables={"A": "b"}))
    azure_ml.workspace.post("jobs/same/cancel")
    azure_ml.reaches("same", {CANCELED})
    azure_ml.workspace.delete("jobs/same")
    with pytest.raises(FileNotFoundError, match="Run same was not found"):
        azure_ml.get("same")


def test_two_machines_know_each_other(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    job = azure_ml_job(
        'echo "$TF_CONFIG" > "${{outputs.out}}/$AZUREML_CR_NODE_RANK.json"; echo "rank $AZUREML_CR_NODE_RANK"',
        resources={"instanceCount": 2},
        distribution={"distributionType": "TensorFlow", "workerCount": 2, "parameterServerCount": 0},
    )
    azure_ml.workspace.put("jobs/two", job)
    assert azure_ml.reaches("two")["properties"]["status"] == COMPLETED
    first, second = (json.loads(content) for _, content in sorted(out(azure_ml, job).items()))
    assert first["cluster"] == second["cluster"]
    assert len(set(first["cluster"]["worker"])) == 2
    assert [each["task"] for each in (first, second)] == [{"type": "worker", "index": rank} for rank in (0, 1)]
    assert [azure_ml.lines("two", f"std_log_worker_{rank}.txt") for rank in (0, 1)] == [["rank 0"], ["rank 1"]]


def test_a_bad_exit_is_told_with_its_last_words(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    job = azure_ml_job('echo half > "${{outputs.out}}/half"; echo no such shard; exit 42')
    azure_ml.workspace.put("jobs/bad", job)
    azure_ml.reaches("bad", {FAILED})
    error = azure_ml.workspace.details("bad")["error"]["error"]
    assert error["code"] == "UserError"
    assert "exited with status code 42" in error["message"]
    assert "no such shard" in error["message"]
    assert out(azure_ml, job) == {"half": b"half\n"}, "what it wrote is kept"


def test_an_input_that_is_not_there(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    job = azure_ml_job()
    job["properties"]["inputs"]["data"]["uri"] = uri(azure_ml, "nothing/")
    azure_ml.workspace.put("jobs/empty", job)
    azure_ml.reaches("empty", {FAILED})
    assert "StreamAccess.NotFound" in azure_ml.workspace.details("empty")["error"]["error"]["message"]


def test_cancelled_it_is_asked_to_stop_and_what_it_wrote_is_kept(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    words = "trap 'echo checkpoint > \"${{outputs.out}}/last\"; exit 75' TERM; echo begun; "
    job = azure_ml_job(words + "while true; do sleep 0.1; done")
    azure_ml.workspace.put("jobs/stopped", job)
    until(lambda: "begun" in azure_ml.lines("stopped"), 180, "its first line")
    azure_ml.workspace.post("jobs/stopped/cancel")
    assert azure_ml.status("stopped") in {"CancelRequested", CANCELED}
    azure_ml.reaches("stopped", {CANCELED})
    assert out(azure_ml, job) == {"last": b"checkpoint\n"}
    with pytest.raises(ValueError, match="already in terminal status Canceled"):
        azure_ml.workspace.post("jobs/stopped/cancel")


def test_it_may_not_run_longer_than_it_says(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    job = azure_ml_job("sleep 600", limits={"jobLimitsType": "Command", "timeout": "PT1S"})
    azure_ml.workspace.put("jobs/long", job)
    azure_ml.reaches("long", {CANCELED})
    assert RUNNING in azure_ml.statuses("long")


def test_preempted_it_waits_and_goes_on_from_what_it_wrote(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    count = 'cd "${{outputs.out}}"; echo x >> n; cat n | wc -l; [ "$(wc -l < n)" = 2 ] || sleep 600'
    job = azure_ml_job(count, computeId=f"{azure_ml.workspace.id}/computes/low")
    azure_ml.control("next", {"fault": "preempted", "after": 1.0})
    azure_ml.workspace.put("jobs/preempted", job)
    assert azure_ml.reaches("preempted")["properties"]["status"] == COMPLETED
    statuses = azure_ml.statuses("preempted")
    assert statuses[statuses.index(RUNNING) :] == [RUNNING, QUEUED, RUNNING, FINALIZING, COMPLETED]
    assert azure_ml.lines("preempted") == ["1", "2"]


@pytest.mark.parametrize(("fault", "code"), [("capacity", "AllocationFailed"), ("quota", "ClusterCoreQuotaReached")])
def test_without_machines_it_waits_for_ever(azure_ml: AzureMLClient, azure_ml_job: Job, fault: str, code: str) -> None:
    azure_ml.control("next", {"fault": fault})
    job = azure_ml_job(computeId=f"{azure_ml.workspace.id}/computes/one")
    azure_ml.workspace.put(f"jobs/{fault}", job)
    azure_ml.reaches(fault, {QUEUED})
    has = azure_ml.workspace.get("computes/one")["properties"]["properties"]
    assert has["errors"][0]["error"]["code"] == code
    azure_ml.workspace.post(f"jobs/{fault}/cancel")
    azure_ml.reaches(fault, {CANCELED})
    assert azure_ml.workspace.get("computes/one")["properties"]["properties"]["errors"] is None


def test_a_cluster_has_so_many_machines(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    one = azure_ml_job("sleep 600", computeId=f"{azure_ml.workspace.id}/computes/one")
    for name in ("first", "second"):
        azure_ml.workspace.put(f"jobs/{name}", one)
    azure_ml.reaches("first", {RUNNING})
    azure_ml.reaches("second", {QUEUED})
    assert azure_ml.workspace.get("computes/one")["properties"]["properties"]["currentNodeCount"] == 1
    azure_ml.workspace.post("jobs/first/cancel")
    azure_ml.reaches("second", {RUNNING})
    azure_ml.workspace.post("jobs/second/cancel")
    azure_ml.reaches("second", {CANCELED})
