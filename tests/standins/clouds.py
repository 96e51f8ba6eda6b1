"""The clouds on this machine, each as a deployment meets it: Airflow connections, a section of lanner.yaml, a bucket.

Each stand-in is behind a fault proxy, so that calls can be broken from outside (see ``fault_proxy``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from google.api_core.exceptions import Conflict
from google.auth.credentials import AnonymousCredentials

from tests.standins.aws.sagemaker_client import boto3_client, sagemaker_standin, trust
from tests.standins.aws.sagemaker_rules import PRINCIPAL
from tests.standins.aws.server import ACCOUNT, REGION, aws_standin
from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_client import azure_ml_standin, copy_blobs
from tests.standins.azure.azure_ml_service import TOKEN
from tests.standins.azure.azure_ml_workspace import GROUP, SUBSCRIPTION, WORKSPACE
from tests.standins.google.gcs import gcs_standin, why_not
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import vertex_standin
from tests.standins.processes import Standin
from tests.standins.proxy_client import proxy_standin
from training_services.vertex.cloud import GoogleCloud

BUCKET = "lanner-rehearsal"
ROLE = "lanner-trainer"
AZURE_CLUSTERS = (
    "lanner-cpu=Standard_D8s_v3:2",
    "lanner-cpu-spot=Standard_D8s_v3:2:low",
    "lanner-workers=Standard_D8s_v3:2",
)
AWS_QUOTAS = (
    "ml.g4dn.xlarge for training job usage=2",
    "ml.g4dn.xlarge for spot training job usage=2",
    "ml.g4dn.xlarge for transform job usage=1",
)


class NoStandin(RuntimeError):
    """This machine cannot have a stand-in of a cloud; the message says why."""


@dataclass(frozen=True)
class Cloud:
    """One cloud on this machine.

    Attributes:
        connections: Airflow's environment variable → connection as JSON.
        settings: sections of lanner.yaml.
        standins: the servers by name, to be killed and started again.
        proxies: before which of them stands which proxy (its URL).
        bucket: folder that holds every object that was sent, after ``bring``.
        machines: two on which its target may train.
        workers: two that train together, and what the second is called in a job's log.
        submission: the calls that submit jobs, as a rule of the proxy knows them.
        permission: that they need, as the cloud names it.
        bring: copies into ``bucket`` what was sent, where the emulator keeps it in a way of its own.
    """

    connections: dict[str, str]
    settings: dict[str, Any]
    standins: dict[str, Standin]
    proxies: dict[str, str]
    bucket: Path
    machines: list[dict[str, Any]]
    workers: tuple[dict[str, Any], str]
    submission: dict[str, str]
    permission: str
    bring: Callable[[], None] = lambda: None


@contextlib.contextmanager
def google(state: Path, *vertex_options: str) -> Iterator[Cloud]:
    """Cloud Storage with a bucket, Vertex AI and Cloud Logging. What was there before in the folder is there again.

    Args:
        vertex_options: of ``python -m tests.standins.google.vertex``.

    Raises:
        NoStandin: there is no emulator of Cloud Storage for this machine.
    """
    if why := why_not():
        raise NoStandin(why)
    with contextlib.ExitStack() as stack:
        gcs = stack.enter_context(gcs_standin(state / "gcs"))
        vertex = stack.enter_context(vertex_standin(state / "vertex", gcs.url, *vertex_options))
        before_gcs = stack.enter_context(proxy_standin(state / "gcs-proxy", gcs.url))
        before_vertex = stack.enter_context(proxy_standin(state / "vertex-proxy", vertex.url))
        with contextlib.suppress(Conflict):
            GoogleCloud(AnonymousCredentials(), PROJECT_ID, {"storage": gcs.url}).storage.create_bucket(BUCKET)
        endpoints = {"storage": before_gcs.url, "aiplatform": before_vertex.url, "logging": before_vertex.url}
        extra = {"is_anonymous": True, "project": PROJECT_ID, "endpoints": endpoints}
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        yield Cloud(
            connections={"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection)},
            settings={"google": {"bucket": BUCKET, "poll_seconds": 2}},
            standins={"gcs": gcs, "vertex": vertex},
            proxies={"gcs": before_gcs.url, "vertex": before_vertex.url},
            bucket=state / "gcs" / "objects" / BUCKET,
            machines=[{"preset": "cpu"}, {"preset": "cpu", "spot": True}],
            workers=({"preset": "workers"}, "workerpool1-0"),
            submission={"path": "/customJobs"},
            permission="aiplatform.customJobs.create",
        )


@contextlib.contextmanager
def aws(state: Path, *sagemaker_options: str) -> Iterator[Cloud]:
    """S3 with a bucket, IAM with a role for jobs, CloudWatch Logs, Service Quotas and SageMaker.

    Training jobs and models that were there before in the folder are there again; objects, roles and lines are not.

    Args:
        sagemaker_options: of ``python -m tests.standins.aws.sagemaker``.
    """
    sent = state / "sent"
    options = [option for quota in AWS_QUOTAS for option in ("--quota", quota)]
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(aws_standin(state / "aws", sent=sent))
        sagemaker = stack.enter_context(
            sagemaker_standin(state / "sagemaker", emulator.url, *options, *sagemaker_options)
        )
        before_aws = stack.enter_context(proxy_standin(state / "aws-proxy", emulator.url))
        before_sagemaker = stack.enter_context(proxy_standin(state / "sagemaker-proxy", sagemaker.url))
        boto3_client("s3", emulator.url).create_bucket(Bucket=BUCKET)
        boto3_client("iam", emulator.url).create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust(PRINCIPAL))
        at_sagemaker = {"endpoint_url": before_sagemaker.url}
        extra = {
            "region_name": REGION,
            "endpoint_url": before_aws.url,
            "service_config": dict.fromkeys(("sagemaker", "sagemaker-runtime", "service-quotas"), at_sagemaker),
        }
        connection = {"conn_type": "aws", "login": "rehearsal", "password": "rehearsal", "extra": extra}
        yield Cloud(
            connections={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)},
            settings={"aws": {"bucket": BUCKET, "role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "poll_seconds": 2}},
            standins={"aws": emulator, "sagemaker": sagemaker},
            proxies={"aws": before_aws.url, "sagemaker": before_sagemaker.url},
            bucket=sent / BUCKET,
            machines=[{"preset": "cpu"}, {"preset": "cpu", "spot": True}],
            workers=({"preset": "workers"}, "algo-2"),
            submission={"target": "SageMaker.CreateTrainingJob"},
            permission="sagemaker:CreateTrainingJob",
        )


@contextlib.contextmanager
def azure(state: Path, *azure_ml_options: str) -> Iterator[Cloud]:
    """Blob storage with the containers of a workspace, Azure ML with some clusters, and its run history.

    Args:
        azure_ml_options: of ``python -m tests.standins.azure.azure_ml``.

    Raises:
        NoStandin: there is no emulator of Blob storage here.
    """
    if why := azurite.why_not():
        raise NoStandin(why)
    options = [option for cluster in AZURE_CLUSTERS for option in ("--cluster", cluster)]
    with contextlib.ExitStack() as stack:
        blob = stack.enter_context(azurite.azurite_standin(state / "azurite"))
        azure_ml = stack.enter_context(azure_ml_standin(state / "azure_ml", blob.url, *options, *azure_ml_options))
        before_blob = stack.enter_context(proxy_standin(state / "blob-proxy", blob.url))
        before_azure_ml = stack.enter_context(proxy_standin(state / "azure_ml-proxy", azure_ml.url))
        endpoints = {"management": before_azure_ml.url, "history": before_azure_ml.url}
        asking = {"token": TOKEN, "subscriptionId": SUBSCRIPTION, "endpoints": endpoints}
        storing = {
            "connection_string": azurite.connection_string(before_blob.url),
            "initial_backoff": 1,
            "increment_base": 2,
        }
        section = {"resource_group": GROUP, "workspace": WORKSPACE, "poll_seconds": 2, "queue_minutes": 1}
        yield Cloud(
            connections={
                "AIRFLOW_CONN_AZURE_DEFAULT": json.dumps({"conn_type": "azure", "extra": asking}),
                "AIRFLOW_CONN_WASB_DEFAULT": json.dumps({"conn_type": "wasb", "extra": storing}),
            },
            settings={"azure": section},
            standins={"azurite": blob, "azure_ml": azure_ml},
            proxies={"azurite": before_blob.url, "azure_ml": before_azure_ml.url},
            bucket=state / "sent",
            machines=[{"preset": "cpu"}, {"preset": "cpu", "spot": True}],
            workers=({"preset": "workers"}, "worker_1"),
            submission={"method": "PUT", "path": "/workspaces/[^/]+/jobs/"},
            permission="Microsoft.MachineLearningServices/workspaces/jobs/write",
            bring=lambda: copy_blobs(blob.url, state / "sent"),
        )


CLOUDS: Mapping[str, Callable[..., AbstractContextManager[Cloud]]] = MappingProxyType(
    {"vertex": google, "sagemaker": aws, "azure_ml": azure}
)
