"""The accounts in which this deployment may train: a section for each service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from include.settings.part import Part, PollSeconds, Prefix, Share

Folder = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
OTHER_FOLDERS = frozenset({"data", "jobs", "predictions", "staged", "trainer", "weights"})  # below the prefix
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]  # of Google Cloud
ClusterOf = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}(-spot)?$")]  # a preset
Datastore = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$")]
ClusterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$")]  # of Azure ML


class GoogleSettings(Part):
    """The one Google Cloud project of this deployment."""

    connection: str = "google_cloud_default"  # Airflow's; holds the credentials
    project: str = ""  # empty: the connection's
    bucket: BucketName  # of the region below; here every job is claimed, wherever it runs
    buckets: dict[Region, BucketName] = Field(default={})  # of other regions in which machines may be
    prefix: Prefix = "lanner"
    region: str = "us-central1"  # of the jobs; the bucket should lie there too
    service_account: str = ""  # what jobs run as; empty: Vertex AI's own
    poll_seconds: PollSeconds = 20.0
    container: str = ""  # image that holds the trainer (docs/google.md); empty: Vertex AI's, and the trainer's sdist

    @model_validator(mode="after")
    def _one_bucket_at_home(self) -> GoogleSettings:
        if (other := self.buckets.get(self.region, self.bucket)) != self.bucket:
            raise ValueError(
                f"buckets names {other} for {self.region}, which is google.region, whose bucket is {self.bucket} "
                "(google.bucket); leave one of the two out"
            )
        return self

    def bucket_in(self, region: str) -> str | None:
        """The bucket of the jobs in a region; None: none is named for it."""
        return self.bucket if region == self.region else self.buckets.get(region)

    @property
    def all_buckets(self) -> tuple[str, ...]:
        """Every bucket of this deployment, once; the first is that of its own region."""
        return tuple(dict.fromkeys((self.bucket, *self.buckets.values())))


class BuiltinFolders(Part):
    """Where SageMaker's built-in detector reads and writes, below the prefix; by default as in the book's chapter."""

    train_data: Folder = "s3_train_data"
    train_annotation: Folder = "s3_train_annotation"
    validation_data: Folder = "s3_validation_data"
    validation_annotation: Folder = "s3_validation_annotation"
    checkpoint: Folder = "s3_checkpoint"
    output_location: Folder = "s3_output_location"

    @model_validator(mode="after")
    def _apart(self) -> BuiltinFolders:
        names = list(self.model_dump().values())
        if len(set(names)) < len(names) or set(names) & OTHER_FOLDERS:
            raise ValueError(f"each needs a name of its own, and none of {', '.join(sorted(OTHER_FOLDERS))}")
        return self


class AwsSettings(Part):
    """The one AWS account of this deployment, in one region."""

    connection: str = "aws_default"  # Airflow's; holds the credentials
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] = "us-east-1"  # jobs' and bucket's
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Prefix = "lanner"
    role: Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$")]  # jobs run as
    poll_seconds: PollSeconds = 20.0
    container: str = ""  # image that holds the trainer (docs/aws.md); empty: AWS's, and the trainer as a script
    kms_key: str = ""  # id or ARN; encrypts what we write to the bucket, models and volumes; empty: as the bucket says
    subnets: tuple[str, ...] = ()  # of a VPC in which jobs run; empty: in none of yours
    security_groups: tuple[str, ...] = ()
    folders: BuiltinFolders = BuiltinFolders()

    @model_validator(mode="after")
    def _whole_vpc(self) -> AwsSettings:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("a VPC needs both subnets and security_groups")
        return self


class AzureSettings(Part):
    """The one Azure Machine Learning workspace of this deployment, with the storage account that belongs to it."""

    connection: str = "azure_default"  # Airflow's; holds the credentials
    storage_connection: str = "wasb_default"  # Airflow's, of the workspace's own storage account
    subscription: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")] = ""
    resource_group: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]$")]
    workspace: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,32}$")]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]+[0-9]*$")] = "eastus"  # of the workspace
    datastore: Datastore = "workspaceblobstore"  # the workspace's, of Blob
    prefix: Prefix = "lanner"
    clusters: dict[ClusterOf, ClusterName] = Field(
        default={}
    )  # by preset, "-spot" after it for spot machines; the others by rule
    container: str = ""  # image that holds the trainer (docs/azure.md); empty: Azure's, and the trainer's files
    queue_minutes: float = Field(default=30.0, gt=0)  # without a machine, after which the next machine is tried
    poll_seconds: PollSeconds = 20.0

    def cluster(self, preset: str, *, spot: bool) -> str:
        """The name of the compute cluster for a machine: as ``clusters`` says, else ``lanner-<preset>[-spot]``."""
        kind = f"{preset}-spot" if spot else preset
        return self.clusters.get(kind, f"lanner-{kind}")


class CustomVisionSettings(Part):
    """The one Custom Vision resource of this deployment. How it trains stands with each collection's target."""

    connection: str = "custom_vision_default"  # Airflow's; holds endpoint, keys and where predictions are made
    tier: Literal["F0", "S0"] = "S0"  # of the resource: how many projects, images and calls it has
    exports: tuple[Literal["TensorFlow", "TensorFlowLite", "CoreML"], ...] = ("TensorFlow", "TensorFlowLite", "CoreML")
    calls_per_second: float = Field(default=10.0, gt=0, le=100)  # of this process
    probability_threshold: Share = 0.5  # at which the service's own precision and recall are asked for…
    overlap_threshold: Share = 0.5  # …and the IoU from which it counts a box as found
    poll_seconds: PollSeconds = 20.0
