"""The built-in object detection: what it refuses of channels, hyperparameters and data, and a whole way to answers."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.standins.aws.sagemaker_client import SageMakerClient, sagemaker_standin
from tests.standins.aws.sagemaker_detection_data import check_sizes, read_side
from tests.standins.aws.sagemaker_detection_rules import BadJob, check_channels, check_hyperparameters
from tests.standins.aws.sagemaker_fixtures import AWS_BUCKET, QUICK, ROLE, channel
from tests.standins.aws.sagemaker_logs import TRANSFORM_GROUP
from tests.standins.aws.sagemaker_status import COMPLETED, ENDED, FAILED, TRAINING
from tests.standins.aws.server import REGION
from tests.standins.aws.test_sagemaker_script import archive
from tests.standins.processes import until
from tests.toy_collection import COLOURS, HEIGHT, WIDTH, ToyImage, make_images

IMAGE = f"811284229777.dkr.ecr.{REGION}.amazonaws.com/object-detection:1"
SIDES = {"train": make_images(16, seed=1), "validation": make_images(8, seed=2)}
GIVEN = {"num_classes": str(len(COLOURS)), "num_training_samples": "16", "mini_batch_size": "8", "epochs": "3"}
CHANNELS = {
    name: {"ContentType": "application/x-image", "TrainingInputMode": "File"}
    for name in ("train", "validation", "train_annotation", "validation_annotation")
}
DETECTOR = {"input_size": 64, "width": 0.25, "steps": 12}


def described(image: ToyImage, name: str) -> dict[str, Any]:
    """An annotation file's content."""
    annotations = [
        {"class_id": class_id - 1, "left": left, "top": top, "width": width, "height": height}
        for (left, top, width, height), class_id in zip(image.boxes, image.classes, strict=True)
    ]
    size = [{"width": WIDTH, "height": HEIGHT, "depth": 3}]
    categories = [{"class_id": number, "name": name} for number, name in enumerate(COLOURS)]
    return {"file": name, "image_size": size, "annotations": annotations, "categories": categories}


# --- what it refuses, without a job


@pytest.fixture
def side(tmp_path: Path) -> Path:
    """A folder with a side's two channels."""
    for number, image in enumerate(SIDES["validation"]):
        for folder in ("validation", "validation_annotation"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "validation" / f"{number}.jpg").write_bytes(image.encoded)
        described_as = json.dumps(described(image, f"{number}.jpg"))
        (tmp_path / "validation_annotation" / f"{number}.json").write_text(described_as)
    return tmp_path


def read(side: Path) -> list[Any]:
    return read_side(side / "validation", side / "validation_annotation", len(COLOURS))


def test_a_sound_side(side: Path) -> None:
    samples = read(side)
    assert [(sample.name, len(sample.boxes)) for sample in samples] == [(f"{n}.jpg", 1 + n % 2) for n in range(8)]
    check_sizes({"validation": samples}, check_hyperparameters(GIVEN))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"annotations": [{"class_id": 3, "left": 0, "top": 0, "width": 9, "height": 9}]},
            "class_id 3 is out of range",
        ),
        ({"annotations": [{"class_id": -1, "left": 0, "top": 0, "width": 9, "height": 9}]}, "class_id -1 is out of"),
        ({"annotations": [{"class_id": 0, "left": 0}]}, "Unable to parse the annotation file 0.json"),
        ({"annotations": None}, "Unable to parse the annotation file 0.json"),
        ({"image_size": [{"width": 9, "height": 9, "depth": 3}]}, "image_size is"),
        ({"image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 1}]}, "image_size is"),
        ({"file": "1.jpg"}, "0.json of channel 'validation_annotation' is about '1.jpg'"),
        ({"file": "deep/0.jpg"}, "is about 'deep/0.jpg'"),
    ],
)
def test_annotations_that_are_wrong(side: Path, change: dict[str, Any], words: str) -> None:
    file = side / "validation_annotation" / "0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(BadJob, match=re.escape(words)):
        read(side)


def test_an_image_without_annotation(side: Path) -> None:
    (side / "validation_annotation" / "5.json").unlink()
    with pytest.raises(BadJob, match=r"1 images of channel 'validation' have no annotation file .* such as 5.jpg"):
        read(side)


def test_an_image_in_grey(side: Path) -> None:
    grey = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT)).save(grey, "jpeg")
    (side / "validation" / "0.jpg").write_bytes(grey.getvalue())
    with pytest.raises(BadJob, match="in 1 channels"):
        read(side)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"mini_batch_size": "9"}, "bigger or equal to the mini_batch_size"), ({"label_width": "11"}, "'label_width'")],
)
def test_sizes_that_do_not_fit(side: Path, given: dict[str, str], words: str) -> None:
    """Two objects need twelve numbers."""
    samples = {"validation": read(side)}
    check_sizes(samples, check_hyperparameters(GIVEN | {"label_width": "12", "mini_batch_size": "8"}))
    with pytest.raises(BadJob, match=words):
        check_sizes(samples, check_hyperparameters(GIVEN | given))


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({"training": CHANNELS["train"]}, "Additional properties are not allowed ('training' was unexpected)"),
        ({"train": {"TrainingInputMode": "File"}}, "'ContentType' is a required property"),
        ({"validation_annotation": {"ContentType": "application/json"}}, "'application/json' is not one of"),
        ({"validation": None}, "'validation' is a required property"),
    ],
)
def test_channels_that_are_wrong(channels: dict[str, Any], words: str) -> None:
    check_channels(CHANNELS)
    with pytest.raises(BadJob) as refused:
        check_channels({name: value for name, value in {**CHANNELS, **channels}.items() if value is not None})
    assert "Failed to validate input data configuration. (caused by ValidationError)" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", "0"),
        ("num_training_samples", "many"),
        ("base_network", "resnet-18"),
        ("early_stopping", "perhaps"),
        ("early_stopping_tolerance", "1.1"),
        ("image_shape", "299"),
        ("image_shape", "3,416,416"),
        ("epochs", "0"),
        ("label_width", "-1"),
        ("learning_rate", "0"),
        ("lr_scheduler_factor", "1"),
        ("lr_scheduler_step", "10;20"),
        ("mini_batch_size", "1.5"),
        ("momentum", "1.5"),
        ("nms_threshold", "0"),
        ("optimizer", "adamw"),
        ("overlap_threshold", "2"),
        ("use_pretrained_model", "2"),
        ("weight_decay", "1"),
        ("kv_store", "local"),
    ],
)
def test_hyperparameters_out_of_range(name: str, value: str) -> None:
    with pytest.raises(BadJob, match=re.escape(f"The value '{value}' is not valid for the '{name}' hyperparameter")):
        check_hyperparameters(GIVEN | {name: value})


def test_the_chapters_table_is_accepted() -> None:
    given = GIVEN | {
        "base_network": "resnet-50",
        "image_shape": "300",
        "learning_rate": "0.001",
        "momentum": "0.9",
        "weight_decay": "0.0005",
        "overlap_threshold": "0.5",
        "nms_threshold": "0.45",
        "optimizer": "sgd",
        "use_pretrained_model": "1",
        "early_stopping": "false",
        "early_stopping_min_epochs": "10",
        "early_stopping_patience": "5",
        "early_stopping_tolerance": "0.0",
        "lr_scheduler_factor": "0.1",
        "lr_scheduler_step": "10, 20",
        "freeze_layer_pattern": "false",
        "label_width": "350",
    }
    assert check_hyperparameters(given)["kv_store"] == "device"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"num_classes": "3"}, "No value(s) were specified for 'num_training_samples' which are required"),
        ({**GIVEN, "batch_size": "3"}, "Additional hyperparameters are not allowed ('batch_size' was unexpected)"),
    ],
)
def test_hyperparameters_missing_and_unknown(given: dict[str, str], words: str) -> None:
    with pytest.raises(BadJob, match=re.escape(words)):
        check_hyperparameters(given)


# --- jobs


@pytest.fixture(scope="module")
def builtin(aws_url: str, s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageMakerClient]:
    """A stand-in whose built-in detector trains a few steps, for an account with GPUs; its channels are in S3."""
    for name, images in SIDES.items():
        for number, image in enumerate(images):
            s3.put_object(Bucket=AWS_BUCKET, Key=f"od/{name}/{number}.jpg", Body=image.encoded)
            content = json.dumps(described(image, f"{number}.jpg")).encode()
            s3.put_object(Bucket=AWS_BUCKET, Key=f"od/{name}_annotation/{number}.json", Body=content)
    options = [*QUICK, "--quota", "ml.g4dn.xlarge for training job usage=2", "--detector", json.dumps(DETECTOR)]
    with sagemaker_standin(tmp_path_factory.mktemp("sagemaker"), aws_url, *options) as server:
        yield SageMakerClient(server.url, aws_url)


def detection_job(name: str, **hyperparameters: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": GIVEN | hyperparameters,
        "InputDataConfig": [
            channel(name, f"s3://{AWS_BUCKET}/od/{name}/", ContentType="application/x-image") for name in CHANNELS
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{AWS_BUCKET}/od-out"},
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CheckpointConfig": {"S3Uri": f"s3://{AWS_BUCKET}/od-checkpoints/{name}"},
    }


def test_only_gpus(builtin: SageMakerClient) -> None:
    job = detection_job("only-gpus")
    job["ResourceConfig"]["InstanceType"] = "ml.m5.large"
    with pytest.raises(ClientError, match="is not supported by algorithm object-detection; only GPU instances"):
        builtin.create(job)


def test_a_refusal_fails_a_job_that_runs(builtin: SageMakerClient) -> None:
    """And is paid."""
    ended = builtin.reaches(builtin.create(detection_job("refused", mini_batch_size="9")))
    words = "ClientError: The number of input images must be bigger or equal to the mini_batch_size., exit code: 2"
    assert (ended["TrainingJobStatus"], ended["FailureReason"]) == (FAILED, words)
    assert ended["BillableTimeInSeconds"] >= 1
    assert TRAINING in builtin.statuses("refused")
    assert any("Customer Error" in line for line in builtin.lines("refused"))


def test_from_images_to_answers(builtin: SageMakerClient, s3: Any) -> None:
    """Trained, its metrics told, its checkpoints and its model kept; the model answers for every image."""
    name = builtin.create(detection_job("detector"))
    ended = builtin.reaches(name, seconds=900)  # half a minute on two idle cores
    assert ended["TrainingJobStatus"] == COMPLETED, builtin.lines(name)
    told = [line for line in builtin.lines(name) if line.startswith("#quality_metric: host=algo-1, epoch=")]
    assert any(re.search(r"validation mAP <score>=\(\d", line) for line in told)
    assert {"validation:mAP", "train:cross_entropy", "train:smooth_l1"} == {
        each["MetricName"] for each in ended["FinalMetricDataList"]
    }
    uri = ended["ModelArtifacts"]["S3ModelArtifacts"]
    assert json.loads(archive(s3, uri)["hyperparams.json"])["epochs"] == "3"
    kept = s3.list_objects_v2(Bucket=AWS_BUCKET, Prefix="od-checkpoints/")["Contents"]
    assert any("checkpoints/" in each["Key"].removeprefix("od-checkpoints/") for each in kept)

    container = {"Image": IMAGE, "ModelDataUrl": uri}
    builtin.api.create_model(ModelName="detector", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    builtin.api.create_transform_job(**transform_job("answers", ContentType="application/x-image"))
    answered = reaches(builtin, "answers", 600)
    assert answered["TransformJobStatus"] == COMPLETED, builtin.lines("answers", TRANSFORM_GROUP)
    found = s3.list_objects_v2(Bucket=AWS_BUCKET, Prefix="od-answers/")["Contents"]
    assert {each["Key"] for each in found} == {f"od-answers/{number}.jpg.out" for number in range(8)}
    for each in found:
        answer = json.loads(s3.get_object(Bucket=AWS_BUCKET, Key=each["Key"])["Body"].read())
        assert answer.keys() == {"prediction"}
        for class_id, score, xmin, ymin, xmax, ymax in answer["prediction"]:
            assert class_id in {0.0, 1.0, 2.0}
            assert 0 <= score <= 1
            assert 0 <= xmin <= xmax <= 1
            assert 0 <= ymin <= ymax <= 1

    builtin.api.create_transform_job(**transform_job("untyped"))
    assert reaches(builtin, "untyped")["FailureReason"] == "ClientError: See job logs for more information"


def manifest_job(name: str, s3: Any) -> dict[str, Any]:
    """The same images by augmented manifests, through a pipe."""
    job, channels = detection_job(name, mini_batch_size="9"), []
    for side, images in SIDES.items():
        lines = [
            {"source-ref": f"s3://{AWS_BUCKET}/od/{side}/{number}.jpg", "boxes": described(image, "")}
            for number, image in enumerate(images)
        ]
        key = f"od/{name}-{side}.manifest"
        s3.put_object(Bucket=AWS_BUCKET, Key=key, Body="\n".join(map(json.dumps, lines)).encode())
        fields = {"ContentType": "application/x-recordio", "RecordWrapperType": "RecordIO", "InputMode": "Pipe"}
        channels.append(channel(side, f"s3://{AWS_BUCKET}/{key}", **fields))
        source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref", "boxes"]}
        channels[-1]["DataSource"]["S3DataSource"] |= source
    return job | {"InputDataConfig": channels}


def test_augmented_manifests_are_read(builtin: SageMakerClient, s3: Any) -> None:
    """As far as the one fault that they have here: there are eight images for a batch of nine."""
    ended = builtin.reaches(builtin.create(manifest_job("manifests", s3)))
    assert "bigger or equal to the mini_batch_size" in ended["FailureReason"]
    seen = [each["name"] for each in builtin.control("access")["objects"] if each["job"] == "manifests"]
    assert len(seen) == 2 + 16 + 8
    assert "od/train/0.jpg" in seen


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["source-ref", "bounding-box"], "ClientError: Got empty batch from pipe."),
        (["boxes", "source-ref"], "ClientError: Unable to parse record. Please make sure input data is in"),
        (["source-ref"], "ClientError: Unable to parse record."),
    ],
    ids=["another", "the other way round", "images alone"],
)
def test_attributes_that_are_not_the_manifests(builtin: SageMakerClient, s3: Any, names: list[str], words: str) -> None:
    job = manifest_job(f"attributes-{len(names)}{names[0]}", s3)
    for each in job["InputDataConfig"]:
        each["DataSource"]["S3DataSource"]["AttributeNames"] = names
    assert builtin.reaches(builtin.create(job))["FailureReason"].startswith(words)


def test_a_manifest_that_is_no_json(builtin: SageMakerClient, s3: Any) -> None:
    job = manifest_job("no-json", s3)
    s3.put_object(Bucket=AWS_BUCKET, Key="od/no-json-train.manifest", Body=b"{\n")
    assert builtin.reaches(builtin.create(job))["FailureReason"].startswith(
        "ClientError: Data download failed:line 1 of s3://"
    )


def test_a_manifest_is_no_file_to_download(builtin: SageMakerClient, s3: Any) -> None:
    job = manifest_job("no-pipe", s3)
    del job["InputDataConfig"][0]["InputMode"]  # the job's own, which is File
    with pytest.raises(ClientError, match="AugmentedManifestFile can only be used if the input mode is Pipe"):
        builtin.create(job)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"RecordWrapperType": None}, "'None' is not one of ['RecordIO']"),
        ({"ContentType": "application/x-image"}, "'application/x-image' is not one of ['application/x-recordio']"),
    ],
)
def test_a_pipe_that_is_none(builtin: SageMakerClient, s3: Any, change: dict[str, Any], words: str) -> None:
    job = manifest_job(f"pipe-{next(iter(change))}", s3)
    changed = job["InputDataConfig"][0] | change
    job["InputDataConfig"][0] = {name: value for name, value in changed.items() if value is not None}
    assert words in builtin.reaches(builtin.create(job))["FailureReason"]


def test_manifests_are_for_the_builtin_and_need_attributes(builtin: SageMakerClient, script_job: Any, s3: Any) -> None:
    job = manifest_job("no-attributes", s3)
    with pytest.raises(ClientError, match="the stand-in reads S3Prefix of S3 here"):
        builtin.create(script_job(InputDataConfig=job["InputDataConfig"]))
    del job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["AttributeNames"]
    with pytest.raises(ClientError, match="AttributeNames must be specified"):
        builtin.create(job)


# --- models and transforms


def transform_job(name: str, **fields: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{AWS_BUCKET}/od/validation/"}}
    return {
        "TransformJobName": name,
        "ModelName": "detector",
        "TransformInput": {"DataSource": source, **fields},
        "TransformOutput": {"S3OutputPath": f"s3://{AWS_BUCKET}/od-answers"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def reaches(client: SageMakerClient, name: str, seconds: float = 60.0) -> dict[str, Any]:
    """A transform job once it has ended."""

    def ended() -> dict[str, Any] | None:
        job = client.api.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] in ENDED else None

    return until(ended, seconds, "the end of the transform")


@pytest.fixture
def model(builtin: SageMakerClient, s3: Any) -> Iterator[str]:
    """A model whose artifacts are none."""
    s3.put_object(Bucket=AWS_BUCKET, Key="od-models/none.tar.gz", Body=b"no archive")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{AWS_BUCKET}/od-models/none.tar.gz"}
    tags = [{"Key": "lanner", "Value": "rehearsal"}]
    builtin.api.create_model(ModelName="none", PrimaryContainer=container, ExecutionRoleArn=ROLE, Tags=tags)
    yield "none"
    builtin.api.delete_model(ModelName="none")


def test_models(builtin: SageMakerClient, model: str) -> None:
    found = builtin.api.describe_model(ModelName=model)
    assert found["PrimaryContainer"]["Image"] == IMAGE
    assert builtin.api.list_tags(ResourceArn=found["ModelArn"])["Tags"] == [{"Key": "lanner", "Value": "rehearsal"}]
    assert [each["ModelName"] for each in builtin.api.list_models(NameContains="none")["Models"]] == [model]
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        builtin.api.create_model(ModelName=model, PrimaryContainer=found["PrimaryContainer"], ExecutionRoleArn=ROLE)


@pytest.mark.parametrize(
    ("container", "role", "words"),
    [
        ({"Image": IMAGE, "ModelDataUrl": f"s3://{AWS_BUCKET}/nothing.tar.gz"}, ROLE, "Could not find model data at"),
        ({"Image": IMAGE, "ModelDataUrl": "s3://no-such-bucket/m.tar.gz"}, ROLE, "Could not find model data at"),
        ({"Image": IMAGE.replace("us-east-1", "eu-west-1")}, ROLE, "not found"),
        ({"Image": IMAGE}, ROLE.replace("trainer", "nobody"), "Could not assume role"),
    ],
)
def test_models_that_are_refused(builtin: SageMakerClient, container: dict[str, str], role: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        builtin.api.create_model(ModelName="refused", PrimaryContainer=container, ExecutionRoleArn=role)


def test_unknown_models_and_transforms(builtin: SageMakerClient) -> None:
    for call in (builtin.api.describe_model, builtin.api.delete_model):
        with pytest.raises(ClientError, match=r"ValidationException.*Could not find model"):
            call(ModelName="nobody")
    for call in (builtin.api.describe_transform_job, builtin.api.stop_transform_job):
        with pytest.raises(ClientError, match=r"ValidationException.*Requested resource not found"):
            call(TransformJobName="nobody")
    with pytest.raises(ClientError, match="Could not find model"):
        builtin.api.create_transform_job(**transform_job("nobody") | {"ModelName": "nobody"})


def test_transforms_that_are_refused(builtin: SageMakerClient, model: str) -> None:
    job = transform_job("refused", ContentType="image/jpeg") | {"ModelName": model}
    gpu = {"TransformResources": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1}}
    with pytest.raises(builtin.api.exceptions.ResourceLimitExceeded, match="transform job usage' is 0 Instances"):
        builtin.api.create_transform_job(**job | gpu)
    nothing = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{AWS_BUCKET}/nothing/"}}
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        builtin.api.create_transform_job(**job | {"TransformInput": {"DataSource": nothing}})


def test_a_transform_is_stopped_and_its_name_stays_taken(builtin: SageMakerClient, model: str) -> None:
    builtin.control("next", {"hold": "Starting"})
    job = transform_job("held", ContentType="image/jpeg") | {"ModelName": model}
    builtin.api.create_transform_job(**job)
    builtin.api.stop_transform_job(TransformJobName="held")
    assert reaches(builtin, "held")["TransformJobStatus"] == "Stopped"
    with pytest.raises(builtin.api.exceptions.ResourceInUse):
        builtin.api.create_transform_job(**job)
    listed = builtin.api.list_transform_jobs(NameContains="held")["TransformJobSummaries"]
    assert [each["TransformJobStatus"] for each in listed] == ["Stopped"]


def test_a_transform_without_capacity(builtin: SageMakerClient, model: str) -> None:
    builtin.control("next", {"fault": "capacity"})
    builtin.api.create_transform_job(**transform_job("no-room", ContentType="image/jpeg") | {"ModelName": model})
    assert reaches(builtin, "no-room")["FailureReason"].startswith("CapacityError: ")
