"""The DAG `try_endpoint` in a real Airflow: whatever happens to a run, no endpoint is left that bills."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from include.costs.ledger import Kind, Ledger
from tests.faults.deployment import Deployment, until
from tests.standins import tiny_script
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client
from tests.standins.aws.sagemaker_detection import MODEL
from tests.standins.aws.sagemaker_fixtures import channel, tiny_job
from tests.standins.clouds import BUCKET, CLOUDS, Cloud
from tests.toy_dataset import put_dataset

pytestmark = [pytest.mark.faults, pytest.mark.clouds]
DAG, TARGET = "try_endpoint", "sagemaker_builtin"
SECONDS = 600.0  # for one step, on a busy machine
OVER = {"success", "failed"}
PATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "90"
}  # one task dies here, and may be missed for long


@dataclass(frozen=True)
class Tried:
    """An Airflow whose one job has a model that an endpoint can serve."""

    deployment: Deployment
    sagemaker: SageMakerClient
    job: str

    def begin(self) -> str:
        """Trigger a run. Returns its id."""
        asked = {"collection": "toy", "job": self.job, "machine": "ml.m5.xlarge"}
        return self.deployment.api.trigger(DAG, asked).id

    def ends(self, run: str) -> str:
        """The run's state in the end."""
        until(lambda: self.deployment.run_state(run) in OVER, SECONDS, f"the end of {run}")
        return self.deployment.run_state(run)

    def stands(self) -> str | None:
        """The endpoint's status."""
        found = self.sagemaker.api.list_endpoints()["Endpoints"]
        return found[0]["EndpointStatus"] if found else None

    def left(self) -> list[Any]:
        """All that there is of endpoints, configurations and models."""
        api = self.sagemaker.api
        lists = (api.list_endpoints()["Endpoints"], api.list_endpoint_configs()["EndpointConfigs"])
        return [each for listed in (*lists, api.list_models()["Models"]) for each in listed]

    def account(self) -> Any:
        """What the newest trial came to."""
        return list(Ledger(self.deployment.store, "toy").accounts().values())[-1]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("endpoint")
    with CLOUDS["sagemaker"](folder / "standins") as cloud, (folder / "lanner.yaml").open("w") as file:
        toy = {"source": "images", "targets": {"sagemaker": {}, TARGET: {"budget": 3}}}
        YAML().dump({**cloud.settings, "collections": {"toy": toy}}, file)
        file.flush()
        deployment = Deployment(folder, None, "sagemaker", cloud)
        deployment.dag = DAG
        deployment.environment |= PATIENT
        dataset = put_dataset(deployment.store, folder)
        job = f"lanner-sagemaker-builtin-{dataset.id[:8]}-22222222-g1-a1"
        sagemaker = SageMakerClient(cloud.standins["sagemaker"].url, cloud.standins["aws"].url)
        put_job(cloud, sagemaker, job)
        with deployment:
            yield Tried(deployment, sagemaker, job)


def put_job(cloud: Cloud, sagemaker: SageMakerClient, name: str) -> None:
    """A job that has succeeded, and a model where its own would be."""
    s3 = boto3_client("s3", cloud.standins["aws"].url)
    s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=tiny_script.sourcedir())
    job = tiny_job(name, "write=model/m:m") | {"RoleArn": cloud.settings["aws"]["role"]}
    job["HyperParameters"]["sagemaker_submit_directory"] = f"s3://{BUCKET}/code/sourcedir.tar.gz"
    job["InputDataConfig"] = [channel("train", f"s3://{BUCKET}/code/")]
    job["OutputDataConfig"] = {"S3OutputPath": f"s3://{BUCKET}/lanner/s3_output_location"}
    ended = sagemaker.reaches(sagemaker.create(job), seconds=SECONDS)
    assert ended["TrainingJobStatus"] == "Completed"
    key = f"lanner/s3_output_location/{name}/output/model.tar.gz"
    s3.put_object(Bucket=BUCKET, Key=key, Body=archive_of_a_model())


def archive_of_a_model() -> bytes:
    """``model.tar.gz`` with a detector that sees one thing in every image, in the form that the stand-in serves."""
    import tensorflow as tf

    class Seeing(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def detect(self, encoded_images: Any) -> dict[str, Any]:
            one = tf.ones([tf.shape(encoded_images)[0], 1])
            boxes = tf.constant([[[0.25, 0.25, 0.75, 0.75]]]) * one[:, :, None]
            found = {"detection_boxes": boxes, "detection_classes": one, "detection_scores": 0.75 * one}
            return found | {"num_detections": one[:, 0]}

    content, module = io.BytesIO(), Seeing()
    with TemporaryDirectory() as folder, tarfile.open(fileobj=content, mode="w:gz") as archive:
        tf.saved_model.save(module, folder, signatures=module.detect)
        archive.add(folder, MODEL)
    return content.getvalue()


def test_it_answers_is_paid_and_is_gone(tried: Tried) -> None:
    run = tried.begin()
    assert tried.ends(run) == "success", tried.deployment.task_states(run)
    assert f'{tried.job}-live answers: {{"image": "' in tried.deployment.log_of(run, "ask").replace('\\"', '"')
    assert tried.left() == []
    account = tried.account()
    assert (account.ended, account.target) == (Kind.FINAL, TARGET)
    assert account.spent > 0


def test_marked_as_failed_while_it_is_made_and_its_teardown_killed(tried: Tried) -> None:
    tried.sagemaker.control("next", {"hold": "Starting"})
    run = tried.begin()
    until(lambda: tried.stands() == "Creating", SECONDS, "an endpoint")
    tried.deployment.mark_failed(run)
    process = until(lambda: tried.deployment.task_process(run, "delete"), SECONDS, "the teardown")
    with contextlib.suppress(psutil.NoSuchProcess):
        worker = process.parent()
        process.kill()
        if worker is not None and "LocalExecutor" in " ".join(worker.cmdline()):
            worker.kill()
    assert tried.stands() == "Creating"
    tried.sagemaker.control("release", {})
    assert tried.ends(run) == "failed"
    assert tried.deployment.tries(run, "delete") > 1
    assert tried.left() == []
    assert tried.account().ended is Kind.FINAL


def test_one_that_fails_is_red_and_gone(tried: Tried) -> None:
    tried.sagemaker.control("next", {"fault": "capacity"})
    run = tried.begin()
    assert tried.ends(run) == "failed"
    assert "InsufficientInstanceCapacity" in tried.deployment.log_of(run, "in_service")
    assert tried.deployment.task_states(run)["ask"] == "upstream_failed"
    assert tried.left() == []


def test_refused_before_anything_is_made(tried: Tried) -> None:
    """Over the budget: no task but the verdict has anything to do."""
    file = tried.deployment.folder / "lanner.yaml"
    before = file.read_text()
    file.write_text(before.replace("budget: 3", "budget: 0.01"))
    try:
        run = tried.begin()
        assert tried.ends(run) == "failed"
    finally:
        file.write_text(before)
    states = tried.deployment.task_states(run)
    assert (states["create"], states["delete"], states["verdict"]) == ("upstream_failed", "skipped", "failed")
    assert tried.left() == []
