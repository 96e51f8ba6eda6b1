"""SageMaker's built-in detector in Pipe mode: the same data by augmented manifests, through two pipes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.builtin_detector import BuiltinConfiguration
from include.documents import TrainingSummary
from include.settings import AwsSettings
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.toy_collection import make_images
from tests.toy_dataset import put_dataset
from tests.training_services.sagemaker.conftest import BUCKET, account
from tests.training_services.watching import ended, until
from training_services.job import TrainingJob
from training_services.sagemaker.builtin import SageMakerBuiltinService

ATTRIBUTES = ["source-ref", "bounding-box"]


@pytest.fixture
def builtin(urls: dict[str, str], settings: AwsSettings, store: Store) -> SageMakerBuiltinService:
    quick = settings.model_copy(update={"poll_seconds": 0.2})
    return SageMakerBuiltinService(account(urls), quick, store, namespace=f"n{settings.prefix}")


@pytest.fixture
def piped(builtin: SageMakerBuiltinService, store: Store, tmp_path: Path) -> TrainingJob:
    return TrainingJob(
        prefix=f"{builtin.namespace}-sagemaker-builtin-11111111-33333333-g1",
        target="sagemaker_builtin",
        collection="toy",
        dataset=put_dataset(store, tmp_path).path,
        configuration=BuiltinConfiguration.preset("sample").replace(epochs=3, input_mode="Pipe").to_json(),
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=600.0,
        machines=[{"preset": "t4"}],
    )


def put(service: SageMakerBuiltinService, name: str, body: bytes) -> None:
    s3 = service.account.client("s3")
    s3.put_object(Bucket=service.settings.bucket, Key=service.files.path(name), Body=body)


def lines(service: SageMakerBuiltinService, job: TrainingJob, side: str) -> list[dict[str, Any]]:
    """Of a side's manifest, as it lies in the bucket."""
    content = service.files.read(service.files.channels(job)[side])
    return [json.loads(line) for line in content.splitlines()]


def test_what_is_asked_of_the_service(builtin: SageMakerBuiltinService, piped: TrainingJob) -> None:
    assert builtin.check(piped) == []
    request = builtin._request(piped, builtin.files.stage(piped))
    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "Pipe"
    assert "input_mode" not in request["HyperParameters"]
    assert request["ResourceConfig"]["VolumeSizeInGB"] == 30, "nothing of the data is kept on it"
    train, validation = request["InputDataConfig"]
    assert (train["ChannelName"], validation["ChannelName"]) == ("train", "validation")
    for channel in (train, validation):
        fields = {"ContentType": "application/x-recordio", "RecordWrapperType": "RecordIO", "InputMode": "Pipe"}
        assert channel.items() >= fields.items()
        source = channel["DataSource"]["S3DataSource"]
        assert (source["S3DataType"], source["AttributeNames"]) == ("AugmentedManifestFile", ATTRIBUTES)
        assert source["S3Uri"] == builtin.files.uri(builtin.files.channels(piped)[channel["ChannelName"]])
    assert "ShuffleConfig" in train
    assert "ShuffleConfig" not in validation


def test_manifests_name_what_lies_in_the_bucket(builtin: SageMakerBuiltinService, piped: TrainingJob) -> None:
    """Every image of train and validation once, and nothing of the hold-out."""
    builtin.files.stage(piped)
    folders = [builtin.files.path(f"s3_{side}_data/") for side in ("train", "validation")]
    there = [{f"s3://{BUCKET}/{each.key}" for each in builtin.files.bucket.objects(folder)} for folder in folders]
    named = [[line["source-ref"] for line in lines(builtin, piped, side)] for side in ("train", "validation")]
    assert [len(each) for each in named] == [16, 8]
    assert [set(each) for each in named] == there
    (first, *_) = lines(builtin, piped, "train")
    assert first.keys() == {*ATTRIBUTES, "bounding-box-metadata"}
    assert first["bounding-box"].keys() == {"image_size", "annotations"}
    every = json.dumps([lines(builtin, piped, side) for side in ("train", "validation")])
    assert not [image.sha256 for image in make_images(6, seed=4) if image.sha256[:16] in every]


def test_images_are_those_of_the_other_mode(builtin: SageMakerBuiltinService, piped: TrainingJob) -> None:
    said: list[str] = []
    from_files = replace(piped, configuration=piped.configuration | {"input_mode": "File"})
    builtin.files.stage(from_files, said.append)
    builtin.files.stage(piped, said.append)
    assert "2 files" in said[-1]
    assert "24 were there" in said[-1]
    for job, count in ((from_files, 48), (piped, 26)):
        builtin.files.stage(job, said.append)
        assert f"0 files moved, {count} were there" in said[-1]


def test_a_manifest_that_was_changed_is_sent_again(builtin: SageMakerBuiltinService, piped: TrainingJob) -> None:
    said: list[str] = []
    builtin.files.stage(piped)
    put(builtin, builtin.files.channels(piped)["train"], b"{}\n")
    builtin.files.stage(piped, said.append)
    assert "1 files" in said[-1]
    assert len(lines(builtin, piped, "train")) == 16


def test_from_manifests_to_a_model(
    builtin: SageMakerBuiltinService, piped: TrainingJob, standin: SageMakerClient, tmp_path: Path
) -> None:
    """The stand-in trains from what came through the pipes; of the hold-out nothing did."""
    assert builtin.find_or_submit(piped).submitted
    status = until(builtin, piped.name, ended, seconds=480)
    assert status.succeeded, (status, standin.lines(piped.name))
    trained = builtin.collect(piped.name, tmp_path / "trained")
    assert (trained / "mxnet" / "hyperparams.json").exists()
    summary = TrainingSummary.model_validate_json((trained / "summary.json").read_text())
    assert summary.validation_mAP50 is not None
    read = [each for each in standin.control("access")["objects"] if each["job"] == piped.name]
    assert sorted(Path(each["name"]).suffix for each in read) == [".jpg"] * 24 + [".manifest"] * 2
    assert not {image.sha256 for image in make_images(6, seed=4)} & {each["sha256"] for each in read}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"InputMode": "File"}, "INPUT_MODE"),
        ({"RecordWrapperType": "None"}, "RECORD_WRAPPER"),
        ({"ContentType": "application/x-image"}, "CONTENT_TYPE"),
        ({"attributes": ATTRIBUTES[::-1]}, "ATTRIBUTE_NAMES"),
        ({"attributes": ["source-ref", "boxes"]}, "ATTRIBUTE_NAMES"),
    ],
)
def test_pipes_are_looked_at_once_more_as_they_are_sent(
    builtin: SageMakerBuiltinService,
    piped: TrainingJob,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    code: str,
) -> None:
    """As if the target itself had asked for something else: nothing is paid."""
    sound = builtin._channel

    def spoilt(name: str, place: str) -> dict[str, Any]:
        channel = sound(name, place)
        if attributes := change.get("attributes"):
            channel["DataSource"]["S3DataSource"]["AttributeNames"] = attributes
            return channel
        return channel | change

    monkeypatch.setattr(builtin, "_channel", spoilt)
    with pytest.raises(ValueError, match=rf"was not submitted, because:\n- {code}: Channel train"):
        builtin.find_or_submit(piped)
    assert builtin.describe([piped.name]) == {}
