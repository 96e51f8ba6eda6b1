"""A job in script mode, by boto3: what its program finds, writes and says, and how it ends."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from tests.standins import tiny_script
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.standins.aws.sagemaker_fixtures import AWS_BUCKET, SCRIPT_IMAGE, Job, channel
from tests.standins.aws.sagemaker_status import (
    COMPLETED,
    DOWNLOADING,
    FAILED,
    MAX_RUNTIME,
    STARTING,
    STOPPING,
    TRAINING,
    UPLOADING,
)


def archive(s3: Any, uri: str) -> dict[str, bytes]:
    """The files in a ``.tar.gz`` in S3."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as found:
        return {each.name: found.extractfile(each).read() for each in found if each.isfile()}  # type: ignore[union-attr]


def test_from_submission_to_the_model(sagemaker: SageMakerClient, script_job: Job, s3: Any) -> None:
    job = script_job("tree;environment;print=begun;complain=careful;write=output/data/notes.txt:noted")
    job["HyperParameters"] |= {"learning-rate": "0.1", "names": '["a", "b"]', "data": "/opt/ml/input/data/train"}
    job["Environment"] = {"MODE": "quick"}
    name = sagemaker.create(job)
    ended = sagemaker.reaches(name)
    assert ended["TrainingJobStatus"] == COMPLETED, sagemaker.lines(name)
    assert sagemaker.statuses(name) == [STARTING, DOWNLOADING, TRAINING, UPLOADING, COMPLETED]
    assert ended["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{AWS_BUCKET}/out/{name}/output/model.tar.gz"
    model = archive(s3, ended["ModelArtifacts"]["S3ModelArtifacts"])
    assert {"code/train.py", "input/data/train/a.txt", "input/data/train/deep/b.txt"} < set(
        json.loads(model["tree.json"])
    )
    environment, arguments = json.loads(model["algo-1.json"])
    base = environment["SAGEMAKER_BASE_DIR"]
    assert environment["SM_CHANNEL_TRAIN"] == f"{base}/input/data/train" == arguments[arguments.index("--data") + 1]
    assert environment["SM_MODEL_DIR"] == f"{base}/model"
    assert environment["SM_OUTPUT_DATA_DIR"] == f"{base}/output/data"
    assert json.loads(environment["SM_HOSTS"]) == ["algo-1"]
    assert (environment["SM_CURRENT_HOST"], environment["SM_NUM_GPUS"], environment["MODE"]) == ("algo-1", "0", "quick")
    assert json.loads(environment["SM_HPS"])["learning-rate"] == 0.1
    assert json.loads(environment["SM_HPS"])["names"] == ["a", "b"]
    assert json.loads(environment["SM_USER_ARGS"]) == arguments[1:]
    assert arguments[1:3] == ["--data", f"{base}/input/data/train"]
    assert environment["TRAINING_JOB_NAME"] == name
    assert not any("sagemaker_program" in argument for argument in arguments)
    assert archive(s3, f"s3://{AWS_BUCKET}/out/{name}/output/output.tar.gz") == {"notes.txt": b"noted"}
    assert {"begun", "careful"} <= set(sagemaker.lines(name))
    assert ended["CreationTime"] <= ended["TrainingStartTime"] <= ended["TrainingEndTime"] <= ended["LastModifiedTime"]
    assert ended["BillableTimeInSeconds"] == ended["TrainingTimeInSeconds"] >= 1
    assert ended["HyperParameters"] == job["HyperParameters"]
    seen = [each for each in sagemaker.control("access")["objects"] if each["job"] == name]
    assert {each["name"] for each in seen} == {"train/a.txt", "train/deep/b.txt", "code/sourcedir.tar.gz"}


def test_its_tags_are_kept(sagemaker: SageMakerClient, script_job: Job) -> None:
    tags = [{"Key": "lanner", "Value": "rehearsal"}]
    sagemaker.control("next", {"fault": "capacity"})
    job = script_job(Tags=tags)
    arn = sagemaker.api.create_training_job(**job)["TrainingJobArn"]
    assert sagemaker.api.list_tags(ResourceArn=arn)["Tags"] == tags
    sagemaker.api.add_tags(ResourceArn=arn, Tags=[{"Key": "lanner", "Value": "other"}, {"Key": "run", "Value": "1"}])
    added = {each["Key"]: each["Value"] for each in sagemaker.api.list_tags(ResourceArn=arn)["Tags"]}
    assert added == {"lanner": "other", "run": "1"}
    assert "Tags" not in sagemaker.describe(job["TrainingJobName"])


def test_two_hosts_know_each_other(sagemaker: SageMakerClient, script_job: Job, s3: Any) -> None:
    job = script_job("environment;tree;write=model/same.txt:same")
    job["ResourceConfig"]["InstanceCount"] = 2
    job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    name = sagemaker.create(job)
    ended = sagemaker.reaches(name)
    assert ended["TrainingJobStatus"] == COMPLETED, sagemaker.lines(name)
    model = archive(s3, ended["ModelArtifacts"]["S3ModelArtifacts"])
    found = [json.loads(model[f"algo-{number}.json"])[0] for number in (1, 2)]
    assert [each["SM_CURRENT_HOST"] for each in found] == ["algo-1", "algo-2"]
    assert all(json.loads(each["SM_HOSTS"]) == ["algo-1", "algo-2"] for each in found)
    addresses = [json.loads(each["SM_HOST_ADDRESSES"]) for each in found]
    assert addresses[0] == addresses[1]
    assert len(set(addresses[0].values())) == 2
    of_first = [file for file in json.loads(model["tree.json"]) if file.startswith("input/data")]
    assert of_first == ["input/data/train/a.txt"]
    streams = sagemaker.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    assert [each["logStreamName"].rsplit("-", 1)[0] for each in streams] == [f"{name}/algo-1", f"{name}/algo-2"]


def test_a_command_of_its_own_in_place_of_a_script(sagemaker: SageMakerClient, script_job: Job) -> None:
    job = script_job()
    code = "import os; print('SM_HPS' in os.environ, os.listdir(os.environ['SAGEMAKER_BASE_DIR'] + '/input/config'))"
    job["HyperParameters"] = {"steps": "3"}
    job["AlgorithmSpecification"] |= {"ContainerEntrypoint": ["python3", "-c"], "ContainerArguments": [code]}
    name = sagemaker.create(job)
    assert sagemaker.reaches(name)["TrainingJobStatus"] == COMPLETED
    (line,) = sagemaker.lines(name)
    assert line.startswith("False [")
    assert "hyperparameters.json" in line


@pytest.mark.parametrize("todo", ["write=output/failure:no such shard;exit=3", "complain=no such shard;exit=3"])
def test_a_bad_exit_fails_the_job(sagemaker: SageMakerClient, script_job: Job, s3: Any, todo: str) -> None:
    """The reason is the script's own file, or what the toolkit makes of its last words."""
    name = sagemaker.create(script_job(f"write=output/data/notes.txt:noted;{todo}"))
    ended = sagemaker.reaches(name)
    assert ended["TrainingJobStatus"] == ended["SecondaryStatus"] == FAILED
    assert ended["FailureReason"].startswith("AlgorithmError: ")
    assert "no such shard" in ended["FailureReason"]
    assert "ModelArtifacts" not in ended
    assert archive(s3, f"s3://{AWS_BUCKET}/out/{name}/output/output.tar.gz") == {"notes.txt": b"noted"}


def test_a_long_failure_is_cut(sagemaker: SageMakerClient, script_job: Job) -> None:
    name = sagemaker.create(script_job(f"write=output/failure:{'x' * 2000};exit=3"))
    assert len(sagemaker.reaches(name)["FailureReason"]) == 1024


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"sagemaker_submit_directory": f"s3://{AWS_BUCKET}/code/none.tar.gz"}, "does not exist"),
        ({"sagemaker_submit_directory": f"s3://{AWS_BUCKET}/train/a.txt"}, "not a gzip file"),
        ({"sagemaker_submit_directory": f"s3://{AWS_BUCKET}/code/leaving.tar.gz"}, "outside the destination"),
        ({"sagemaker_submit_directory": f"s3://{AWS_BUCKET}/code/needy.tar.gz"}, "InstallRequirementsError"),
        ({"sagemaker_program": "other.py"}, "ExitCode 2"),
    ],
)
def test_code_that_cannot_run(
    sagemaker: SageMakerClient, script_job: Job, s3: Any, hyperparameters: dict[str, str], words: str
) -> None:
    leaving, needy = tiny_script.sourcedir(**{"../x": ""}), tiny_script.sourcedir(**{"requirements.txt": "no-such>=1"})
    s3.put_object(Bucket=AWS_BUCKET, Key="code/leaving.tar.gz", Body=leaving)
    s3.put_object(Bucket=AWS_BUCKET, Key="code/needy.tar.gz", Body=needy)
    job = script_job()
    job["HyperParameters"] |= hyperparameters
    ended = sagemaker.reaches(sagemaker.create(job))
    assert ended["FailureReason"].startswith("AlgorithmError: ")
    assert words in ended["FailureReason"]


@pytest.mark.parametrize(
    "image",
    [
        SCRIPT_IMAGE.replace("us-east-1", "us-west-2"),
        SCRIPT_IMAGE.replace("2.19.0", "3.0.0"),
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:latest",
    ],
)
def test_an_image_that_cannot_be_pulled(sagemaker: SageMakerClient, script_job: Job, image: str) -> None:
    name = sagemaker.create(script_job(AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"}))
    assert "Cannot pull algorithm container" in sagemaker.reaches(name)["FailureReason"]
    assert DOWNLOADING not in sagemaker.statuses(name)


def test_an_output_that_cannot_be_uploaded_fails_only_at_the_end(sagemaker: SageMakerClient, script_job: Job) -> None:
    name = sagemaker.create(script_job("write=model/m:m", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket/out"}))
    ended = sagemaker.reaches(name)
    assert ended["FailureReason"].startswith("ClientError: Artifact upload failed:")
    assert ended["BillableTimeInSeconds"] >= 1
    assert UPLOADING in sagemaker.statuses(name)


def test_a_channel_of_one_object(sagemaker: SageMakerClient, script_job: Job) -> None:
    job = script_job(
        "show=input/data/one/b.txt", InputDataConfig=[channel("one", f"s3://{AWS_BUCKET}/train/deep/b.txt")]
    )
    name = sagemaker.create(job)
    sagemaker.reaches(name)
    assert any(line.endswith("input/data/one/b.txt b") for line in sagemaker.lines(name))


def test_it_may_not_run_longer_than_it_says(sagemaker: SageMakerClient, script_job: Job, s3: Any) -> None:
    job = script_job(StoppingCondition={"MaxRuntimeInSeconds": 2})
    command = ["/bin/sh", "-c", "printf half > ../model/half.txt; sleep 600"]
    job["AlgorithmSpecification"] |= {"ContainerEntrypoint": command}
    name = sagemaker.create(job)
    ended = sagemaker.reaches(name)
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", MAX_RUNTIME)
    assert STOPPING in sagemaker.statuses(name)
    assert archive(s3, ended["ModelArtifacts"]["S3ModelArtifacts"]) == {"half.txt": b"half"}
