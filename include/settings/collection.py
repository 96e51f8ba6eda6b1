"""``collections`` of the settings: where batches come from, and what is trained on them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from include.settings.part import Name, Part, Share
from include.settings.place import PROJECT


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
    training: dict[str, Any] = Field(default={})  # fields of detector_trainer.Configuration
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
    labeller: Name = "registry"  # who suggests boxes: the newest registered model, "custom_vision" or "nobody"
    images: int = Field(default=20, ge=1, le=200)  # of a round
    look_at: int = Field(default=2000, ge=1)  # images that the labeller is shown for each round, if so many wait
    threshold: Share = 0.5  # a suggestion of a lower score is not shown to the person


class CollectionSettings(Part):
    """One detection problem: where its batches come from and what is trained on them."""

    source: str  # a folder, archive or URL (docs/data.md); "{batch}" in it stands for the batch key
    classes: tuple[str, ...] | None = None  # None: those found
    split: Literal["hash", "given"] = "hash"  # given: by the source's image sets or folders, where it has them
    shares: Shares = Shares()
    schedule: str | None = None  # cron; None: batches are announced by hand or by an event
    start: str = "2026-01-01"  # first day of the schedule
    targets: dict[Name, TargetSettings] = Field(default={"local": TargetSettings()})
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
