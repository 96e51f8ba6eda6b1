"""`make smoke`, rehearsed: it trains, and leaves nothing in the cloud nor here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from include.settings import PROJECT
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.azure.custom_vision_cloud import custom_vision
from tests.standins.clouds import BUCKET, CLOUDS, Cloud, NoStandin
from tests.standins.google.vertex_client import VertexClient

pytestmark = [pytest.mark.faults, pytest.mark.clouds]
SECONDS = 900  # on a busy machine; on an idle one a third of it
DETECTOR = ("--detector", '{"input_size": 64, "width": 0.25, "steps": 12}')  # of stand-ins that have one


def smoke(folder: Path, target: str, budget: str, **connections: str) -> subprocess.CompletedProcess[str]:
    environment = {"LANNER_HOME": str(folder / "state"), "LANNER_SETTINGS": str(folder / "lanner.yaml"), "CI": "1"}
    return subprocess.run(
        [sys.executable, "-m", "training_jobs.smoke", "--target", target, "--budget", budget],
        cwd=PROJECT,
        env=os.environ | environment | connections,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def test_it_trains_and_removes_everything(tmp_path: Path) -> None:
    try:
        context = CLOUDS["vertex"](tmp_path / "standins")
        with context as cloud, (tmp_path / "lanner.yaml").open("w") as file:
            YAML().dump(cloud.settings, file)
            file.flush()
            kept = cloud.bucket / "lanner" / "ours"
            kept.parent.mkdir(parents=True)
            kept.write_text("what was there before")

            too_dear = smoke(tmp_path, "vertex", "0.01", **cloud.connections)
            assert too_dear.returncode == 1, too_dear.stdout + too_dear.stderr
            assert "$0.01 is left of the budget" in too_dear.stdout.replace("\n", " ")

            done = smoke(tmp_path, "vertex", "1", **cloud.connections)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "It works." in done.stdout
            client = VertexClient(cloud.standins["vertex"].url)
            assert client.jobs.list(parent=client.parent).execute() == {}
            assert [file for file in cloud.bucket.rglob("*") if file.is_file()] == [kept]
            assert not (tmp_path / "state" / "smoke").exists()
    except NoStandin as why:
        pytest.skip(str(why))


def test_so_does_the_built_in_detector(tmp_path: Path) -> None:
    """Trained on a GPU, scored by a batch transform; ended transforms are all that SageMaker keeps."""
    with CLOUDS["sagemaker"](tmp_path / "standins", *DETECTOR) as cloud, (tmp_path / "lanner.yaml").open("w") as file:
        YAML().dump(cloud.settings, file)
        file.flush()
        s3 = boto3_client("s3", cloud.standins["aws"].url)
        s3.put_object(Bucket=BUCKET, Key="lanner/ours", Body=b"what was there before")

        done = smoke(tmp_path, "sagemaker_builtin", "1", **cloud.connections)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "It works." in done.stdout
        assert "mxnet" in done.stdout
        api = SageMakerClient(cloud.standins["sagemaker"].url, cloud.standins["aws"].url).api
        assert api.list_training_jobs()["TrainingJobSummaries"] == api.list_models()["Models"] == []
        transforms = api.list_transform_jobs()["TransformJobSummaries"]
        assert [each["TransformJobStatus"] for each in transforms] == ["Completed"]
        assert [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["lanner/ours"]
        assert not (tmp_path / "state" / "smoke").exists()


def test_so_does_azure_ml(tmp_path: Path) -> None:
    """Logs, and environments of the workspace, are all that stays."""
    try:
        context = CLOUDS["azure_ml"](tmp_path / "standins")
        with context as cloud:
            write_settings(tmp_path, cloud)
            client = AzureMLClient(cloud.standins["azure_ml"].url, cloud.standins["azurite"].url)
            client.blobs.upload_blob("lanner/ours", b"what was there before")

            done = smoke(tmp_path, "azure_ml", "1", **cloud.connections)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "It works." in done.stdout
            assert client.workspace.get("jobs")["value"] == []
            assert [blob.name for blob in client.blobs.list_blobs()] == ["lanner/ours"]
            assert not (tmp_path / "state" / "smoke").exists()
    except NoStandin as why:
        pytest.skip(str(why))


def test_so_does_custom_vision(tmp_path: Path) -> None:
    """Trained, exported and asked; whatever people have there stays."""
    with custom_vision(tmp_path / "standins", *DETECTOR) as cloud:
        write_settings(tmp_path, cloud)
        api = CustomVisionClient(cloud.standins["custom_vision"].url).training
        kept = api.create_project("ours")

        done = smoke(tmp_path, "custom_vision", "6", **cloud.connections)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "It works." in done.stdout
        assert [project.id for project in api.get_projects()] == [kept.id]
        assert not (tmp_path / "state" / "smoke").exists()


def write_settings(folder: Path, cloud: Cloud) -> None:
    """A cloud's section of lanner.yaml."""
    with (folder / "lanner.yaml").open("w") as file:
        YAML().dump(cloud.settings, file)
