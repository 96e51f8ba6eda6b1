"""SageMaker's built-in detector: what is refused before it is paid, what is sent, what comes back, what it answers."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.builtin_detector import BuiltinConfiguration
from include.clouds.aws_account import ALL_SERVICES
from include.costs.ledger import Ledger
from include.documents import DatasetDocument, PlanDocument, State, TrainingSummary
from include.results import MXNET, folder_of, history_of, score_model
from include.settings import AwsSettings, Settings, Thresholds
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient, sagemaker_standin
from tests.standins.processes import until as polled
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.toy_collection import ToyImage, make_images
from tests.toy_dataset import put_dataset
from tests.training_services.sagemaker.conftest import account
from tests.training_services.watching import ended, until
from training_jobs import predicting
from training_jobs.serving import Trial
from training_jobs.targets import open_service
from training_services.job import PredictingService, TrainingJob
from training_services.sagemaker.answers import PredictionFailed
from training_services.sagemaker.builtin import BUILTIN_PRESETS, SageMakerBuiltinService
from training_services.sagemaker.transform import BatchTransform
from training_services.transfer import TransferDamaged

CHANNELS = ("train", "validation", "train_annotation", "validation_annotation")
CONFIGURATION = BuiltinConfiguration.preset("sample").replace(epochs=3).to_json()


@pytest.fixture
def dataset(store: Store, tmp_path: Path) -> DatasetDocument:
    return put_dataset(store, tmp_path)


@pytest.fixture
def builtin(urls: dict[str, str], settings: AwsSettings, store: Store) -> SageMakerBuiltinService:
    quick = settings.model_copy(update={"poll_seconds": 0.2})
    return SageMakerBuiltinService(account(urls), quick, store, namespace=f"n{settings.prefix}")


@pytest.fixture
def asked(builtin: SageMakerBuiltinService, dataset: DatasetDocument) -> TrainingJob:
    return TrainingJob(
        prefix=f"{builtin.namespace}-sagemaker-builtin-{dataset.id[:8]}-22222222-g1",
        target="sagemaker_builtin",
        collection="toy",
        dataset=dataset.path,
        configuration=CONFIGURATION,
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=600.0,
        machines=[{"preset": "t4"}],
    )


def written(folder: Path, images: list[ToyImage]) -> dict[str, Path]:
    for image in images:
        (folder / image.sha256).write_bytes(image.encoded)
    return {image.sha256: folder / image.sha256 for image in images}


def put_made_up_model(service: SageMakerBuiltinService, name: str, files: dict[str, bytes]) -> None:
    """What the service would have left of a training."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    key = service.files.path(service.files.model(name))
    service.account.client("s3").put_object(Bucket=service.settings.bucket, Key=key, Body=packed.getvalue())


def keys(service: SageMakerBuiltinService, folder: str = "") -> list[str]:
    start = service.files.path(folder)
    return [each.key.removeprefix(service.files.path("")) for each in service.files.bucket.objects(start)]


# --- before it is paid


def test_a_sound_job_has_no_fault(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    assert builtin.check(asked) == []
    assert isinstance(builtin, PredictingService)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"machines": [{"preset": "cpu"}]},
            "INSTANCE_FOR_BUILTIN: The built-in object detection does not train on ml.m5",
        ),
        ({"machines": [{"preset": "l4"}]}, "INSTANCE_FOR_BUILTIN"),
        ({"machines": [{"preset": "z9"}]}, "UNKNOWN_MACHINE"),
        ({"configuration": CONFIGURATION | {"mini_batch_size": 8}}, "BATCH_TOO_LARGE: mini_batch_size is 8, and there"),
        (
            {"configuration": CONFIGURATION | {"image_shape": 299}},
            "HYPERPARAMETER: The hyperparameter image_shape is '299'",
        ),
    ],
)
def test_what_would_fail_is_said_before(
    builtin: SageMakerBuiltinService, asked: TrainingJob, change: dict[str, Any], fault: str
) -> None:
    (found,) = builtin.check(replace(asked, **change))
    assert found.startswith(fault)


def test_a_region_without_the_algorithm(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    settings = builtin.settings.model_copy(update={"region": "eu-south-2"})
    there = SageMakerBuiltinService(builtin.account, settings, builtin.files.store)
    assert "IMAGE: The built-in object detection has no image in eu-south-2." in "\n".join(there.check(asked))


def test_a_quota_for_the_answers_is_asked_for_before_anything_is_trained(
    builtin: SageMakerBuiltinService, asked: TrainingJob, urls: dict[str, str], tmp_path: Path
) -> None:
    quotas = (
        "--quota",
        "ml.m5.2xlarge for transform job usage=0",
        "--quota",
        "ml.g4dn.xlarge for training job usage=1",
    )
    with sagemaker_standin(tmp_path / "poor", urls[ALL_SERVICES], *quotas) as poor:
        there = account(urls | {"service-quotas": poor.url})
        (found,) = SageMakerBuiltinService(there, builtin.settings, builtin.files.store).check(asked)
    assert found.startswith('QUOTA: ml.m5.2xlarge takes 1 of "ml.m5.2xlarge for transform job usage" in us-east-1')
    assert "aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-" in found


def test_what_the_answers_can_cost_is_known_before(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    """An hour and the time that it takes to stop it, on an ml.m5.2xlarge."""
    assert builtin.cost_of_answers(asked) == pytest.approx(Decimal("0.461") * 70 / 60, abs=Decimal("0.001"))


def test_the_service_itself_fails_what_the_check_would_have_refused(
    builtin: SageMakerBuiltinService, asked: TrainingJob
) -> None:
    """The batch of the chapter's second classic failure; it is paid, and not tried again."""
    large = replace(asked, configuration=CONFIGURATION | {"mini_batch_size": 9})
    builtin.account.call("sagemaker", "create_training_job", **builtin._request(large, builtin.files.stage(large)))
    status = until(builtin, asked.name, ended)
    assert (status.state, status.reason, status.renewable) == (State.FAILED, "BAD_INPUT", False)
    assert "must be bigger or equal to the mini_batch_size" in status.message


def test_machines_are_priced(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    for name in BUILTIN_PRESETS:
        assert builtin.cost(replace(asked, machines=[{"preset": name}]), 3600) > 0
    assert builtin.cost(replace(asked, machines=[]), 3600) == builtin.cost(asked, 3600)


# --- what is sent


def test_the_chapters_folders_and_channels(
    builtin: SageMakerBuiltinService, asked: TrainingJob, standin: SageMakerClient
) -> None:
    spot = replace(asked, machines=[{"preset": "a10g", "spot": True}], configuration=CONFIGURATION | {"epochs": 30})
    request = builtin._request(spot, builtin.files.stage(spot))
    train = make_images(16, seed=1)
    dataset = Path(asked.dataset).stem[:16]
    assert {f"s3_train_data/{dataset}/{image.sha256[:16]}.jpg" for image in train} == set(
        keys(builtin, "s3_train_data")
    )
    assert len(keys(builtin, "s3_train_annotation")) == 16
    assert len(keys(builtin, "s3_validation_data")) == len(keys(builtin, "s3_validation_annotation")) == 8
    assert request["AlgorithmSpecification"] == {
        "TrainingInputMode": "File",
        "TrainingImage": "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
    }
    assert {each["ChannelName"]: each["ContentType"] for each in request["InputDataConfig"]} == dict.fromkeys(
        CHANNELS, "application/x-image"
    )
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert source["S3DataDistributionType"] == "FullyReplicated"
    assert source["S3Uri"] == builtin.files.uri(f"s3_train_data/{dataset}/")
    told = request["HyperParameters"]
    assert (told["num_classes"], told["num_training_samples"], told["label_width"]) == ("3", "16", "350")
    assert (told["epochs"], told["early_stopping"], told["learning_rate"]) == ("30", "false", "0.001")
    assert request["OutputDataConfig"]["S3OutputPath"] == builtin.files.uri("s3_output_location")
    assert request["CheckpointConfig"]["S3Uri"] == builtin.files.uri(f"s3_checkpoint/{asked.prefix}/")
    assert request["EnableManagedSpotTraining"] is True
    assert request["ResourceConfig"]["InstanceType"] == "ml.g5.xlarge"


def test_folders_may_be_called_otherwise(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    settings = AwsSettings.model_validate(builtin.settings.model_dump() | {"folders": {"train_data": "pictures"}})
    service = SageMakerBuiltinService(builtin.account, settings, builtin.files.store)
    assert service.files.channels(asked)["train"].startswith("pictures/")
    for folders in ({"train_data": "data"}, {"train_data": "x", "checkpoint": "x"}, {"train_data": "a/b"}):
        with pytest.raises(ValueError, match="folders"):
            AwsSettings.model_validate(builtin.settings.model_dump() | {"folders": folders})


def test_only_what_changed_is_sent(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    said: list[str] = []
    builtin.files.stage(asked, said.append)
    assert "48 files" in said[-1]
    first = builtin.files.stage(asked, said.append)
    assert "0 files moved, 48 were there" in said[-1]
    assert first.data_bytes > 16 * 1000
    (image, *_) = keys(builtin, "s3_train_data")
    s3 = builtin.account.client("s3")
    s3.put_object(Bucket=builtin.settings.bucket, Key=builtin.files.path(image), Body=b"another")
    builtin.files.stage(asked, said.append)
    assert "1 files" in said[-1]


def test_what_does_not_belong_into_a_channel_stops_it(builtin: SageMakerBuiltinService, asked: TrainingJob) -> None:
    """A training would read it."""
    builtin.files.stage(asked)
    stray = builtin.files.path(f"{builtin.files.channels(asked)['train']}stray.jpg")
    builtin.account.client("s3").put_object(Bucket=builtin.settings.bucket, Key=stray, Body=b"stray")
    with pytest.raises(TransferDamaged, match=r"should hold 48 objects for this job and holds 49; .*stray.jpg"):
        builtin.files.stage(asked)


def spoilt(request: dict[str, Any], fault: str) -> dict[str, Any]:
    """A request with one of the chapter's four classic failures, as if the target itself had made it so."""
    train, *others = request["InputDataConfig"]
    match fault:
        case "S3_PREFIX":
            source = train["DataSource"]["S3DataSource"]
            train = train | {"DataSource": {"S3DataSource": source | {"S3Uri": source["S3Uri"].replace("s3_t", "s3t")}}}
        case "BATCH_TOO_LARGE":
            return request | {"HyperParameters": request["HyperParameters"] | {"mini_batch_size": "9"}}
        case "CONTENT_TYPE":
            train = {name: value for name, value in train.items() if name != "ContentType"}
        case "CHANNEL_NAMES":
            train = train | {"ChannelName": "train_channel"}
    return request | {"InputDataConfig": [train, *others]}


@pytest.mark.parametrize("fault", ["S3_PREFIX", "BATCH_TOO_LARGE", "CONTENT_TYPE", "CHANNEL_NAMES"])
def test_the_four_classic_failures_are_looked_for_once_more_in_what_is_sent(
    builtin: SageMakerBuiltinService, asked: TrainingJob, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """After the data have arrived, and before anything is paid: the request itself, and what lies in the bucket."""
    sound = builtin._request
    monkeypatch.setattr(builtin, "_request", lambda job, staged: spoilt(sound(job, staged), fault))
    with pytest.raises(ValueError, match=rf"{asked.name} was not submitted, because:\n- {fault}: ") as refused:
        builtin.find_or_submit(asked)
    assert str(refused.value).count("\n- ") == 1
    assert builtin.describe([asked.name]) == {}


# --- what comes back


def test_a_made_up_model_is_unpacked(builtin: SageMakerBuiltinService, asked: TrainingJob, tmp_path: Path) -> None:
    files = {"model_algo_1-0000.params": b"p", "model_algo_1-symbol.json": b"{}", "hyperparams.json": b"{}"}
    put_made_up_model(builtin, asked.name, files)
    model = builtin.files.collect(asked.name, tmp_path / "model")
    assert {file.name: file.read_bytes() for file in (model / "mxnet").iterdir()} == files
    put_made_up_model(builtin, asked.name, {"../outside": b"p"})
    with pytest.raises(ValueError, match=r"model.tar.gz cannot be used: .*outside"):
        builtin.files.collect(asked.name, tmp_path / "other")
    assert not (tmp_path / "outside").exists()


def test_no_model_is_a_missing_file(builtin: SageMakerBuiltinService, asked: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        builtin.collect(asked.name, tmp_path / "model")


# --- the whole way


def test_from_a_dataset_to_scores(
    builtin: SageMakerBuiltinService,
    asked: TrainingJob,
    dataset: DatasetDocument,
    store: Store,
    standin: SageMakerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trained by the stand-in, which answers for the hold-out with what it learned; nothing is left of that."""
    assert builtin.find_or_submit(asked).submitted
    assert not builtin.find_or_submit(asked).submitted
    status = until(builtin, asked.name, ended, seconds=480)
    assert status.succeeded, (status, standin.lines(asked.name))
    trained = builtin.collect(asked.name, tmp_path / "trained")
    summary = TrainingSummary.model_validate_json((trained / "summary.json").read_text())
    assert summary.validation_mAP50 is not None
    assert summary.warnings == ()
    assert any("loss" in line for line in history_of(trained))
    assert json.loads((trained / "configuration.json").read_text())["mini_batch_size"] == 4
    store.copy_in(trained, f"{folder_of('toy', asked.name)}/trained")

    sent = str(standin.control("access")["objects"])
    assert not [image.sha256 for image in make_images(6, seed=4) if image.sha256 in sent]
    opened: list[str] = []
    monkeypatch.setattr(predicting, "open_service", lambda target: opened.append(target) or builtin)
    monkeypatch.setattr("training_jobs.serving.open_service", lambda target: builtin)
    fields = {"store": str(store.root), "collections": {"toy": {"source": "images"}}}
    current = Settings.model_validate(fields)
    job = asked.as_dict()
    paths = predicting.export_or_predict(current, dataset, job)
    assert paths == {"mxnet": f"{folder_of('toy', asked.name)}/{MXNET}"}
    assert predicting.export_or_predict(current, dataset, job) == paths
    assert opened == ["sagemaker_builtin"] * 2
    transforms = builtin.account.call("sagemaker", "list_transform_jobs")["TransformJobSummaries"]
    ours = [each["TransformJobStatus"] for each in transforms if each["TransformJobName"].startswith(asked.name)]
    assert ours == ["Completed"], "the second time it was asked nothing"
    assert nothing_left(builtin, asked.name)
    (account,) = Ledger(store, "toy").accounts().values()
    assert (account.job, account.target) == (f"{asked.name}-score", "sagemaker_builtin")
    assert Decimal(0) < account.spent < Decimal("0.10")
    assert account.ended
    assert_answers_online(Trial(current, "toy", asked.name, "ml.m5.xlarge"))

    plan = PlanDocument(
        collection="toy",
        key="all:1",
        dataset=dataset.path,
        dataset_id=dataset.id,
        targets=(),
        deadline_hours=1,
        reason="",
    )
    scores = json.loads(store.read(score_model(store, plan, dataset, asked.name, "sagemaker_builtin", Thresholds())))
    (export,) = scores["exports"]
    assert (export["format"], export["latency_ms"]) == ("mxnet", None)
    assert export["metrics"]["mAP50"] >= 0


def assert_answers_online(trial: Trial) -> None:
    """As the DAG ``try_endpoint`` does, and what the batch transform answered."""
    promised = trial.set_aside()
    assert trial.create() == f"{trial.job}-live"
    polled(trial.is_in_service, 480, "an endpoint that answers")
    answer = trial.ask()
    assert answer.keys() == {"image", "detections", "seconds", "as_in_batch"}
    assert answer["as_in_batch"] is True
    assert "are gone" in trial.delete(promised, made=True)


def nothing_left(service: SageMakerBuiltinService, name: str) -> bool:
    models = service.account.call("sagemaker", "list_models", NameContains=name)["Models"]
    return not models and not keys(service, "predictions")


# --- answers that do not come


@pytest.fixture
def modelled(builtin: SageMakerBuiltinService, asked: TrainingJob) -> str:
    """The name of a job whose model is none."""
    put_made_up_model(builtin, asked.name, {"hyperparams.json": b"{}"})
    return asked.name


def test_a_transform_that_fails_leaves_nothing_and_is_paid(
    builtin: SageMakerBuiltinService, modelled: str, standin: SageMakerClient, tmp_path: Path
) -> None:
    bills: list[str] = []
    images = written(tmp_path, make_images(1, seed=4))
    with pytest.raises(PredictionFailed, match=rf"The batch transform {modelled}-score is Failed: "):
        builtin.predict(modelled, images, [1, 2, 3], lambda name, dollars, what: bills.append(name))
    assert bills == [f"{modelled}-score"]
    assert nothing_left(builtin, modelled)
    standin.control("next", {"fault": "capacity"})
    with pytest.raises(PredictionFailed, match=rf"{modelled}-score2 is Failed: CapacityError"):
        builtin.predict(modelled, images, [1, 2, 3], lambda *_: None)
    assert nothing_left(builtin, modelled)


def test_one_that_goes_on_for_ever_is_stopped(
    builtin: SageMakerBuiltinService,
    modelled: str,
    standin: SageMakerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standin.control("next", {"hold": "Starting"})
    monkeypatch.setattr("training_services.sagemaker.transform.MOST_SECONDS", 1.0)
    with pytest.raises(PredictionFailed, match="had not ended after 1 s"):
        builtin.predict(modelled, written(tmp_path, make_images(1, seed=4)), [1, 2, 3], lambda *_: None)
    found = builtin.account.call("sagemaker", "describe_transform_job", TransformJobName=f"{modelled}-score")
    assert found["TransformJobStatus"] == "Stopped"
    assert nothing_left(builtin, modelled)


@pytest.mark.parametrize("call", ["CreateModel", "CreateTransformJob", "DeleteModel", "DescribeTransformJob"])
def test_a_lost_answer_is_no_second_transform(
    builtin: SageMakerBuiltinService, modelled: str, urls: dict[str, str], tmp_path: Path, call: str
) -> None:
    """boto3 asks again, and hears that it is done already."""
    with proxy_standin(tmp_path / "proxy", urls["sagemaker"]) as proxy:
        through = account(urls | {"sagemaker": proxy.url})
        service = SageMakerBuiltinService(through, builtin.settings, builtin.files.store, builtin.namespace)

        def lose(**_: Any) -> None:
            if not control(proxy.url, "rules"):
                rule(proxy.url, fault="lost", count=1)

        through.client("sagemaker").meta.events.register(f"before-send.sagemaker.{call}", lose)
        with pytest.raises(PredictionFailed, match="is Failed"):
            service.predict(modelled, written(tmp_path, make_images(1, seed=4)), [1, 2, 3], lambda *_: None)
        assert control(proxy.url, "rules")[0]["struck"] == 1
    transforms = builtin.account.call("sagemaker", "list_transform_jobs", NameContains=modelled)
    assert len(transforms["TransformJobSummaries"]) == 1
    assert nothing_left(builtin, modelled)


def test_one_that_runs_already_is_found(
    builtin: SageMakerBuiltinService, modelled: str, standin: SageMakerClient, tmp_path: Path
) -> None:
    """As after a worker's death: what it had begun is waited for, and removed."""
    standin.control("next", {"hold": "Starting"})
    dead = BatchTransform(
        builtin.account, builtin.settings, builtin.files, modelled, builtin._image(gpu=False)["TrainingImage"]
    )
    images = written(tmp_path, make_images(1, seed=4))
    dead._submit(f"{modelled}-score", builtin.files.uri(builtin.files.model(modelled)), images, payload=6)
    threading.Timer(2.0, standin.control, ("release", {})).start()
    with pytest.raises(PredictionFailed, match=f"{modelled}-score is Failed"):
        builtin.predict(modelled, images, [1, 2, 3], lambda *_: None)
    assert nothing_left(builtin, modelled)


def test_the_target_is_in_the_table(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role = "arn:aws:iam::123456789012:role/trainer"
    (lanner / "lanner.yaml").write_text(f"aws: {{bucket: our-bucket, role: '{role}'}}")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "login": "k", "password": "s"}))
    assert isinstance(open_service("sagemaker_builtin"), SageMakerBuiltinService)
    assert not isinstance(open_service("sagemaker"), PredictingService)
