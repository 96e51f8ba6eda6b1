"""``lanner.yaml``: the collections of this deployment, validated; errors name the file, the line and the field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from include.store import Store

PROJECT = Path(__file__).resolve().parents[1]
EXAMPLE = """\
# What this deployment trains on. docs/settings.md describes every field.
# store: gs://bucket/prefix   # a folder or a bucket; without it, a folder beside Airflow's state
namespace: lanner  # prefix of job names; two deployments in one account use two
collections: {}
"""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,11}$")]
Folder = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
OTHER_FOLDERS = frozenset(
    {"data", "jobs", "predictions", "staged", "trainer", "weights"}
)  # below the prefix in a bucket
Share = Annotated[float, Field(ge=0, le=1)]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]  # of Google Cloud
ClusterOf = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}(-spot)?$")]  # a preset
ClusterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$")]  # of Azure ML


class SettingsError(ValueError):
    """lanner.yaml is missing, is no YAML, or says something that cannot be."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shares(Part):
    """Which share of the images goes to each side; they add up to 1."""

    train: Share = 0.7
    validation: Share = 0.15
    holdout: Share = 0.15

    @model_validator(mode="after")
    def _whole(self) -> Shares:
        if abs(self.train + self.validation + self.holdout - 1) > 1e-6:
            raise ValueError(f"the shares add up to {self.train + self.validation + self.holdout:g}, expected 1")
        if not (self.train and self.validation and self.holdout):
            raise ValueError("every side needs a share above 0: early stopping uses validation, scoring the hold-out")
        return self

    def as_tuple(self) -> tuple[float, float, float]:
        return self.train, self.validation, self.holdout


class Machine(Part):
    """Where a cloud target may train."""

    preset: Name  # of the target: docs/google.md lists Vertex AI's, docs/aws.md SageMaker's, docs/azure.md Azure ML's
    region: str = ""  # empty: the cloud's region of this deployment
    spot: bool = False  # cheaper, and taken away when others pay more; the training goes on from its checkpoint
    evaluator: Name | Literal[""] = ""  # preset of a machine beside it that evaluates each checkpoint; empty: none


class TargetSettings(Part):
    """How one target trains: a preset of the trainer, and what differs from it."""

    preset: Literal["default", "sample"] = "default"
    training: dict[str, Any] = {}  # fields of detector_trainer.Configuration
    max_hours: float = Field(default=6.0, gt=0, le=240)  # the job's own limit, whatever happens to Airflow
    budget: float | None = Field(default=None, gt=0)  # US dollars for one training, all attempts; None: no limit
    machines: tuple[Machine, ...] = ()  # of a cloud, in order: the next when there is no room; empty: its first preset


class Thresholds(Part):
    """What is still acceptable."""

    quarantined: Share = 0.5  # share of a batch's images; above it the batch fails
    mAP_loss: float = Field(default=0.005, ge=0)  # an export against its SavedModel
    mAP_loss_int8: float = Field(default=0.02, ge=0)


class LabellingSettings(Part):
    """How images without annotations are labelled; docs/labelling.md."""

    source: str = ""  # where they come from, "{batch}" as in the collection's source; empty: that source itself
    labeller: Name = "registry"  # who suggests boxes: the collection's newest registered model, or "nobody"
    images: int = Field(default=20, ge=1, le=200)  # of a round
    look_at: int = Field(default=2000, ge=1)  # images that the labeller is shown for each round, if so many wait
    threshold: Share = 0.3  # a suggestion of a lower score is not shown to the person


class CollectionSettings(Part):
    """One detection problem: where its batches come from and what is trained on them."""

    source: str  # a folder, archive or URL (docs/data.md); "{batch}" in it stands for the batch key
    classes: tuple[str, ...] | None = None  # None: those found
    split: Literal["hash", "given"] = "hash"  # given: by the source's image sets or folders, where it has them
    shares: Shares = Shares()
    schedule: str | None = None  # cron; None: batches are announced by hand or by an event
    start: str = "2026-01-01"  # first day of the schedule
    targets: dict[Name, TargetSettings] = {"local": TargetSettings()}
    thresholds: Thresholds = Thresholds()
    labelling: LabellingSettings = LabellingSettings()
    monthly_budget: float | None = Field(default=None, gt=0)  # US dollars for the jobs submitted in a month (UTC)
    deadline_hours: float = Field(default=12.0, gt=0)  # how long a comparison waits for results

    @model_validator(mode="after")
    def _consistent(self) -> CollectionSettings:
        if self.schedule and "{batch}" not in self.source:
            raise ValueError("a collection with a schedule needs {batch} in its source, where the day's key is put")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is listed twice")
        return self

    @property
    def is_remote(self) -> bool:
        """Does the source lie elsewhere than in this machine's file system (a URL, an entry of the catalogue)?"""
        return _is_remote(self.source)

    def source_of(self, batch: str) -> str:
        """Where one batch is; relative paths are relative to the project."""
        return _located(self.source.replace("{batch}", batch))

    def unlabelled_source_of(self, batch: str) -> str:
        """Where the images of a batch are that are to be labelled."""
        return _located(self.labelling.source.replace("{batch}", batch)) or self.source_of(batch)


def _is_remote(source: str) -> bool:
    return "://" in source or source.startswith("catalog:")


def _located(source: str) -> str:
    """A source with its path relative to the project; what is none stays as it is."""
    return source if not source or _is_remote(source) else str(PROJECT / source)


class GoogleSettings(Part):
    """The one Google Cloud project of this deployment."""

    connection: str = "google_cloud_default"  # Airflow's; holds the credentials
    project: str = ""  # empty: the connection's
    bucket: BucketName  # of the region below; here every job is claimed, wherever it runs
    buckets: dict[Region, BucketName] = {}  # of other regions in which machines may be
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "lanner"
    region: str = "us-central1"  # of the jobs; the bucket should lie there too
    service_account: str = ""  # what jobs run as; empty: Vertex AI's own
    poll_seconds: float = Field(default=20.0, gt=0, le=600)  # between two looks at the jobs that are waited for
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
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "lanner"
    role: Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$")]  # jobs run as
    poll_seconds: float = Field(default=20.0, gt=0, le=600)  # between two looks at the jobs that are waited for
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
    datastore: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$")] = (
        "workspaceblobstore"  # the workspace's, of Blob
    )
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "lanner"
    clusters: dict[ClusterOf, ClusterName] = {}  # by preset, "-spot" after it for spot machines; the others by rule
    container: str = (
        ""  # image that holds the trainer (docs/azure.md); empty: Azure builds one, and the trainer's files
    )
    queue_minutes: float = Field(default=30.0, gt=0)  # without a machine, after which the next machine is tried
    poll_seconds: float = Field(default=20.0, gt=0, le=600)  # between two looks at the jobs that are waited for

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
    poll_seconds: float = Field(default=20.0, gt=0, le=600)  # between two looks at the jobs that are waited for


class HourlyPrice(Part):
    """What one machine or accelerator costs, in US dollars an hour."""

    on_demand: float = Field(ge=0)
    spot: float | None = Field(default=None, ge=0)  # None: not offered as spot


class Settings(Part):
    store: str = ""  # folder or URL; empty: a folder in the state folder
    namespace: Namespace = "lanner"
    mlflow: str = ""  # tracking URI; empty: SQLite in the state folder
    google: GoogleSettings | None = None
    aws: AwsSettings | None = None
    azure: AzureSettings | None = None
    custom_vision: CustomVisionSettings = CustomVisionSettings()
    prices: dict[str, dict[str, dict[str, HourlyPrice]]] = {}  # cloud, machine or accelerator, region; docs/costs.md
    collections: dict[Name, CollectionSettings] = {}

    def require_google(self) -> GoogleSettings:
        """The section ``google``; ``SettingsError`` that says what it needs if there is none."""
        if self.google is None:
            raise SettingsError(
                f"{settings_file()}: target vertex needs 'google:' with at least a bucket (docs/google.md)."
            )
        return self.google

    def require_aws(self, target: str = "sagemaker") -> AwsSettings:
        """The section ``aws``; ``SettingsError`` that says what it needs if there is none."""
        if self.aws is None:
            raise SettingsError(
                f"{settings_file()}: target {target} needs 'aws:' with at least a bucket and a role (docs/aws.md)."
            )
        return self.aws

    def require_azure(self) -> AzureSettings:
        """The section ``azure``; ``SettingsError`` that says what it needs if there is none."""
        if self.azure is None:
            raise SettingsError(
                f"{settings_file()}: target azure_ml needs 'azure:' with at least a resource_group and a workspace "
                "(docs/azure.md)."
            )
        return self.azure

    @cached_property
    def home(self) -> Path:
        return state_folder()

    @property
    def jobs(self) -> Path:
        """Where the local target keeps its jobs."""
        return self.home / "jobs"

    @property
    def mlflow_uri(self) -> str:
        return self.mlflow or f"sqlite:///{self.home}/mlflow.db"

    def open_store(self) -> Store:
        if not self.store:
            return Store(self.home / "store")
        return Store(self.store if "://" in self.store else PROJECT / self.store)

    def machines(self, target: str) -> list[Machine]:
        """All machines on which any collection may train by one target."""
        return [
            machine
            for collection in self.collections.values()
            if target in collection.targets
            for machine in collection.targets[target].machines
        ]

    def collection(self, name: str) -> CollectionSettings:
        """The settings of one collection; ``SettingsError`` with the known names if there is none."""
        if name not in self.collections:
            known = ", ".join(sorted(self.collections)) or "none yet"
            raise SettingsError(f"There is no collection {name!r} in {settings_file()}; it has: {known}.")
        return self.collections[name]


def state_folder() -> Path:
    """Where Airflow's database, local jobs, downloads and MLflow are. ``LANNER_HOME`` moves it."""
    return Path(os.environ.get("LANNER_HOME") or PROJECT / ".lanner")


def settings_file() -> Path:
    """``lanner.yaml`` in the project, or what ``LANNER_SETTINGS`` names."""
    return Path(os.environ.get("LANNER_SETTINGS") or PROJECT / "lanner.yaml")


def load(file: Path | None = None) -> Settings:
    """Read and validate the settings; a missing file means the defaults (no collection yet).

    Raises:
        SettingsError: with one line per fault, each as ``file:line: field: what is wrong``.
    """
    file = file or settings_file()
    if not file.exists():
        return Settings()
    tree = _parse(file)
    try:
        return Settings.model_validate(_plain(tree))
    except ValidationError as invalid:
        faults = [f"{file}:{_line(tree, e['loc'])}: {_field(e['loc'])}: {_complaint(e)}" for e in invalid.errors()]
        raise SettingsError("\n".join(faults) + "\nEvery field is described in docs/settings.md.") from invalid


def put_collection(name: str, fields: Mapping[str, Any], file: Path | None = None) -> bool:
    """Add a collection to the file or change fields of one, keeping comments and order. True if anything changed.

    The result is validated before it replaces the file, so that a bad argument leaves the file as it was.
    """
    file = file or settings_file()
    existed = file.exists()
    tree = _parse(file) if existed else YAML().load(EXAMPLE)
    collections = tree.setdefault("collections", CommentedMap())
    collections.fa.set_block_style()
    entry = collections.setdefault(name, CommentedMap())
    before = _plain(entry)
    _merge(entry, fields)
    if existed and _plain(entry) == before:
        return False
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with temporary.open("w") as sink:
            YAML().dump(tree, sink)
        load(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _parse(file: Path) -> CommentedMap:
    try:
        tree = YAML().load(file)
    except MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise SettingsError(f"{file}:{line}: this is no valid YAML: {broken.problem}.") from broken
    if not isinstance(tree, CommentedMap):
        raise SettingsError(f"{file}:1: expected fields such as 'store:' and 'collections:'.")
    return tree


def _plain(node: Any) -> Any:
    """ruamel's commented nodes as plain dicts and lists."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


def _merge(entry: CommentedMap, fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        if isinstance(value, Mapping) and isinstance(entry.get(key), CommentedMap):
            _merge(entry[key], value)
        else:
            entry[key] = value


def _line(tree: Any, location: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest part of a field's path that stands in the file."""
    line, node = 1, tree
    for part in location:
        try:
            position = node.lc.key(part) if isinstance(node, CommentedMap) else node.lc.item(part)
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            continue  # e.g. the name of a branch of a union, which pydantic adds to the path
        line = position[0] + 1
    return line


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the whole file"


def _complaint(error: Any) -> str:
    got = f" (got {error['input']!r})" if isinstance(error.get("input"), str | int | float) else ""
    return error["msg"].removeprefix("Value error, ") + got
