"""What Vertex AI refuses, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.standins.google import vertex as standin
from tests.standins.google.vertex_client import VertexClient

Job = Callable[..., dict[str, Any]]


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """The error in the answer to a call that must be refused."""
    with pytest.raises(HttpError) as refused:
        call()
    error = json.loads(refused.value.content)["error"]
    assert error["code"] == refused.value.status_code
    return error


def change(job: dict[str, Any], path: str, value: Any) -> None:
    """Set a field of a job, or take it away (None); ``pool`` is its first worker pool."""
    *parents, last = path.replace("pool", "jobSpec.workerPoolSpecs.0").split(".")
    at: Any = job
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    if value is None:
        del at[last]
    else:
        at[last] = value


PACKAGE = "pool.pythonPackageSpec"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("displayName", None, "custom_job.display_name; Message: Required field is not set."),
        ("displayName", "x" * 129, "custom_job.display_name"),
        ("labels", {f"k{number}": "v" for number in range(65)}, "no more than 64 labels"),
        ("labels", {"Key": "v"}, "custom_job.labels"),
        ("labels", {"key": "Value"}, "custom_job.labels"),
        ("labels", {"key": "v" * 64}, "custom_job.labels"),
        ("jobSpec", None, "job_spec.worker_pool_specs"),
        ("jobSpec.workerPoolSpecs", [], "job_spec.worker_pool_specs"),
        ("jobSpec.scheduling.timeout", "-1s", "job_spec.scheduling.timeout"),
        ("jobSpec.baseOutputDirectory.outputUriPrefix", "/out", "output_uri_prefix"),
        ("pool.replicaCount", None, "worker_pool_specs[0].replica_count"),
        ("pool.replicaCount", "2", "worker_pool_specs[0].replica_count"),
        (PACKAGE, None, "Exactly one of"),
        (f"{PACKAGE}.executorImageUri", "python:3.12", "executor_image_uri"),
        (f"{PACKAGE}.packageUris", [], "package_uris"),
        (f"{PACKAGE}.packageUris", ["gs://lanner-test/p"] * 101, "The maximum number of package URIs is 100."),
        (f"{PACKAGE}.packageUris", ["packages/p.tar.gz"], "package_uris[0]"),
        (f"{PACKAGE}.pythonModule", None, "python_module"),
        (f"{PACKAGE}.env", [{"name": f"v{number}", "value": "1"} for number in range(101)], "is 100"),
        (f"{PACKAGE}.env", [{"name": "a", "value": "1"}] * 2, "EnvVar names must be unique."),
        ("pool.machineSpec", None, "machine_type; Message: Required field is not set."),
        ("pool.machineSpec.acceleratorType", "NVIDIA_TESLA_T4", "should be specified or none"),
        ("pool.machineSpec.acceleratorCount", 1, "should be specified or none"),
        ("pool.machineSpec.machineType", "n9-standard-4", 'Machine type "n9-standard-4" is not supported.'),
        ("pool.machineSpec.machineType", "a2-highgpu-1g", "must be used together with"),
        (
            "pool.machineSpec",
            {"machineType": "e2-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1},
            'Accelerator "NVIDIA_TESLA_T4" is not supported for machine type "e2-standard-8"',
        ),
        (
            "pool.machineSpec",
            {"machineType": "n1-standard-64", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1},
            "Accelerator count 1",
        ),
        ("jobSpec.serviceAccount", "other@elsewhere.iam.gserviceaccount.com", "permission to act as service_account"),
    ],
)
def test_invalid_arguments(vertex: VertexClient, make_job: Job, path: str, value: Any, words: str) -> None:
    job = make_job()
    change(job, path, value)
    error = refusal(lambda: vertex.create(job))
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]


def test_all_that_is_wrong_is_told_together(vertex: VertexClient, make_job: Job) -> None:
    job = make_job()
    change(job, "displayName", None)
    change(job, f"{PACKAGE}.pythonModule", None)
    message = refusal(lambda: vertex.create(job))["message"]
    assert message.startswith("List of found errors:\t1.Field: custom_job.display_name; Message: ")
    assert "\t2.Field: job_spec.worker_pool_specs[0].python_package_spec.python_module; Message: " in message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("jobSpec.workerPools", [], "Unknown name \"workerPools\" at 'custom_job.job_spec': Cannot find field."),
        ("pool.machineSpec.machineTyp", "n1-standard-4", 'Unknown name "machineTyp"'),
        (
            "pool.machineSpec.acceleratorType",
            "NVIDIA_TESLA_T5",
            "Invalid value at 'custom_job.job_spec.worker_pool_specs",
        ),
        ("jobSpec.scheduling.timeout", "1h", "Invalid value at 'custom_job.job_spec.scheduling.timeout'"),
        ("pool.containerSpec", {"imageUri": "a"}, "oneof field 'task' is already set"),
        ("jobSpec.scheduling.timeout", 3600, "Invalid value at 'custom_job.job_spec.scheduling.timeout'"),
    ],
)
def test_bodies_that_do_not_fit_the_message(
    vertex: VertexClient, make_job: Job, path: str, value: Any, words: str
) -> None:
    job = make_job()
    change(job, path, value)
    error = refusal(lambda: vertex.create(job))
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("jobSpec.baseOutputDirectory.outputUriPrefix", "gs://no-such-bucket/out", "does not exist"),
        (f"{PACKAGE}.packageUris", ["gs://no-such-bucket/p.tar.gz"], "does not exist"),
        (f"{PACKAGE}.packageUris", ["gs://lanner-test/none.tar.gz"], "`gs://lanner-test/none.tar.gz` does not exist"),
    ],
)
def test_what_is_not_in_the_bucket(vertex: VertexClient, make_job: Job, path: str, value: Any, words: str) -> None:
    job = make_job()
    change(job, path, value)
    error = refusal(lambda: vertex.create(job))
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert words in error["message"]


def test_a_bucket_of_another_region(vertex: VertexClient, make_job: Job) -> None:
    elsewhere = VertexClient(vertex.url, vertex.parent.replace("us-central1", "europe-west4"))
    error = refusal(lambda: elsewhere.create(make_job()))
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert "is in location `us-central1`. It must be in the same regional location" in error["message"]


@pytest.mark.parametrize(("region", "prefix"), [("us-west1", ""), ("europe-west4", "/us-central1")])
def test_a_region_that_the_endpoint_does_not_serve(
    vertex: VertexClient, make_job: Job, region: str, prefix: str
) -> None:
    client = VertexClient(vertex.url + prefix, vertex.parent.replace("us-central1", region))
    assert "doesn't match the endpoint" in refusal(lambda: client.create(make_job()))["message"]


def test_an_endpoint_of_one_region(vertex: VertexClient) -> None:
    assert VertexClient(vertex.url + "/us-central1").jobs.list(parent=vertex.parent).execute() is not None


def test_another_project(vertex: VertexClient, make_job: Job) -> None:
    stranger = VertexClient(vertex.url, "projects/other/locations/us-central1")
    error = refusal(lambda: stranger.create(make_job()))
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert error["details"][0]["metadata"]["permission"] == "aiplatform.customJobs.create"


def test_more_than_the_quota(vertex: VertexClient, make_job: Job) -> None:
    job = make_job()
    change(job, "pool.machineSpec.machineType", "n1-standard-64")
    error = refusal(lambda: vertex.create(job))
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["message"].endswith("exceed quota limits: aiplatform.googleapis.com/custom_model_training_cpus")


@pytest.mark.parametrize(
    ("fault", "code", "status", "words"),
    [
        ("quota", 429, "RESOURCE_EXHAUSTED", "custom_model_training_cpus"),
        ("permission", 403, "PERMISSION_DENIED", "Permission 'aiplatform.customJobs.create' denied on resource"),
    ],
)
def test_refusals_on_demand(
    vertex: VertexClient, make_job: Job, fault: str, code: int, status: str, words: str
) -> None:
    """As often as asked, and no job comes of it."""
    before = vertex.control("history").keys()
    vertex.control("next", {"fault": fault, "count": 2})
    for _ in range(2):
        error = refusal(lambda: vertex.create(make_job()))
        assert (error["code"], error["status"]) == (code, status)
        assert words in error["message"]
    assert vertex.control("history").keys() == before
    assert vertex.control("next") == {"next": []}


def test_unknown_jobs(vertex: VertexClient) -> None:
    name = f"{vertex.parent}/customJobs/1"
    for call in (vertex.jobs.get, vertex.jobs.cancel, vertex.jobs.delete):
        error = refusal(call(name=name).execute)
        assert (error["code"], error["status"]) == (404, "NOT_FOUND")
        assert standin.PROJECT_NUMBER in error["message"]


@pytest.mark.parametrize("text", ["display_name", 'owner="me"', 'labels="a"', 'state<"JOB_STATE_FAILED"'])
def test_filters_that_it_does_not_know(vertex: VertexClient, make_job: Job, text: str) -> None:
    vertex.control("next", {"hold": "JOB_STATE_QUEUED"})
    vertex.create(make_job())
    error = refusal(lambda: vertex.jobs.list(parent=vertex.parent, filter=text).execute())
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("wish", [{}, {"fault": "fire"}, {"fault": "quota", "times": 2}, {"hold": "JOB_STATE_RUNNING"}])
def test_wishes_that_mean_nothing(vertex: VertexClient, wish: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        vertex.control("next", wish)
