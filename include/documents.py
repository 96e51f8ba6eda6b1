"""The documents that pass from one pipeline to the next: small, immutable, named by the hash of their contents.

A document says what was found or decided; it never says where the store is, and only those that describe a run
(``result.json``) carry times. So the same input gives the same bytes, hence the same name, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Side = Literal["train", "validation", "holdout"]
SIDES: tuple[Side, ...] = ("train", "validation", "holdout")


class Record(BaseModel):
    """A part of a document: frozen, and strict about fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Document(Record):
    """A whole document. Its path is ``<collection>/documents/<kind>/<sha256 of its bytes>.json``."""

    kind: ClassVar[str]
    schema_version: Literal[1] = 1
    collection: str
    key: str  # the partition within the collection: "2026-11-20", and for plans and what follows "2026-11-20:1"

    @cached_property
    def encoded(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @property
    def id(self) -> str:
        """SHA-256 of the contents, in hex."""
        return hashlib.sha256(self.encoded).hexdigest()

    @property
    def path(self) -> str:
        return f"{self.collection}/documents/{self.kind}/{self.id}.json"

    @property
    def pointer(self) -> str:
        return self.pointer_for(self.collection, self.key)

    @classmethod
    def pointer_for(cls, collection: str, key: str) -> str:
        """Where the path of the newest document of this kind for a key is written."""
        return f"{collection}/newest/{cls.kind}/{key.replace(':', '_')}"


# --- batch.json


class Fault(Record):
    """Why an image or a box was set aside, in a form that a person can act on."""

    code: str  # one word, stable: "truncated_image"
    file: str  # relative to the batch's source
    field: str = ""  # "object[2]/bndbox/xmin"
    value: str = ""  # what stood there
    message: str  # what happened, what was expected, what to do
    images: int = 0  # images set aside by this fault
    boxes: int = 0  # boxes set aside by this fault


class Count(Record):
    """Conservation: ``found == used + quarantined``, for images and for boxes."""

    found: int
    used: int
    quarantined: int


class BatchDocument(Document):
    """What arrived under one key, and what of it is sound. Says nothing of sides or class ids."""

    kind: ClassVar[str] = "batch"
    source: str  # as the settings name it; where images are read from when shards are written
    format: Literal["voc", "coco"]
    images: Count
    boxes: Count
    classes: dict[str, int]  # boxes per class name, among those used
    faults: dict[str, int]  # faults per code
    manifest: str  # JSON lines, one per sound image
    quarantine: str  # JSON lines, one Fault each
    notes: tuple[str, ...] = ()  # what was odd but harmless, and mended


# --- dataset.json


class Category(Record):
    id: int = Field(ge=1)
    name: str


class Shard(Record):
    path: str
    crc32c: str | None = None  # of the file, in hex, as object stores compute it too; None: an older document
    sha256: str | None = None  # older documents
    bytes: int
    images: int
    boxes: int


class SideDocument(Record):
    images: int
    boxes: int
    classes: dict[str, int]
    shards: tuple[Shard, ...]
    coco: str  # COCO JSON of the side


class BatchReference(Record):
    key: str
    document: str


class DatasetDocument(Document):
    """All batches of a collection up to a key, with sides and class ids. Its ``id`` is the dataset's id."""

    kind: ClassVar[str] = "dataset"
    batches: tuple[BatchReference, ...]
    label_map: tuple[Category, ...]
    label_map_pbtxt: str
    assignments: str  # JSON lines: image hash, side, why
    sides: dict[Side, SideDocument]
    duplicates: int = 0  # images left out because an earlier batch has the same bytes
    warnings: tuple[str, ...] = ()


# --- plan.json


class MachineChoice(Record):
    """Where a cloud target may train."""

    preset: str  # of the target
    region: str = ""  # empty: the cloud's region of the deployment
    spot: bool = False
    evaluator: str = ""  # preset of a machine beside it; empty: none


class TargetPlan(Record):
    target: str  # "local"
    configuration: dict[str, Any]  # the resolved training configuration
    max_hours: float  # the job's own limit
    budget: float | None = None  # US dollars for one training, all attempts
    machines: tuple[MachineChoice, ...] = ()  # in the order in which they are tried


class PlanDocument(Document):
    """What is to be trained for a key. Its key carries its number: ``2026-11-20:1``."""

    kind: ClassVar[str] = "plan"
    dataset: str
    dataset_id: str
    generation: int = 1
    targets: tuple[TargetPlan, ...]
    deadline_hours: float  # how long a comparison waits for the results
    reason: str


# --- result.json


class State(StrEnum):
    """How a training job stands. The vocabulary of every target."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Reason(StrEnum):
    """Why a job ended as it did."""

    CAPACITY = "CAPACITY"
    THROTTLED = "THROTTLED"
    QUOTA = "QUOTA"
    PERMISSION = "PERMISSION"
    BAD_INPUT = "BAD_INPUT"
    TRAINER_ERROR = "TRAINER_ERROR"
    TIMEOUT = "TIMEOUT"
    BUDGET = "BUDGET"
    USER = "USER"
    LOST = "LOST"


class Metrics(Record):
    """COCO's twelve figures over the hold-out, and AP per class (COCO's -1 for "no such box" is None)."""

    mAP: float
    mAP50: float
    mAP75: float
    mAP_small: float | None
    mAP_medium: float | None
    mAP_large: float | None
    AR_1: float
    AR_10: float
    AR_100: float
    AR_small: float | None
    AR_medium: float | None
    AR_large: float | None
    per_class: dict[str, float | None]  # AP over IoU 0.50:0.95
    per_class50: dict[str, float | None]  # AP at IoU 0.50
    engine: Literal["pycocotools", "hotcoco"] = "pycocotools"  # which computed the figures
    warning: str = ""  # what hotcoco says otherwise, where both were asked


ExportFormat = Literal[
    "saved_model",
    "frozen_graph",
    "tflite_fp32",
    "tflite_fp16",
    "tflite_int8",
    "mxnet",
    "custom_vision",
    "custom_vision_pb",
    "custom_vision_tflite",
]
REFERENCES: tuple[ExportFormat, ...] = ("saved_model", "mxnet", "custom_vision")
"""On which a training is judged, the first of them that it has: its other exports are compared with it, and targets by
it. MXNet's, which only SageMaker runs, is all that its built-in detector has; Custom Vision's model is what its
prediction API answers with."""


class ExportResult(Record):
    """One exported model: where it is, how good, how fast, and whether the gate let it through."""

    format: ExportFormat
    path: str
    sha256: str
    bytes: int
    metrics: Metrics
    latency_ms: float | None  # median per image, one thread, one at a time, with post-processing; None: not run here
    refused: tuple[str, ...] = ()  # the gate's reasons; empty: passed


class ClassMeasure(Record):
    """Of detections above a probability threshold, those that are right; and average precision over all of them."""

    precision: float
    recall: float
    average_precision: float | None  # None: no such box


class Measure(Record):
    """A detector measured by the rules of a cloud's service."""

    probability_threshold: float
    overlap_threshold: float  # IoU from which a box is found
    precision: float
    recall: float
    average_precision: float
    classes: dict[str, ClassMeasure]


class TrainingSummary(Record):
    steps: int  # 0: the cloud's own algorithm does not tell them
    best_step: int
    validation_mAP: float | None  # None: the cloud's own algorithm does not tell it
    validation_mAP50: float | None
    seconds: float
    warnings: tuple[str, ...] = ()
    measure: Measure | None = None  # what its service says of the model, on images of the service's own choice


class ResultDocument(Document):
    """How one target's training of one plan ended. Always written, whatever happened before."""

    kind: ClassVar[str] = "result"
    target: str
    plan: str
    dataset_id: str
    state: State
    reason: Reason | None = None
    message: str = ""
    job: str | None = None
    adopted: bool = False  # the job had been submitted by an earlier run
    console_url: str | None = None
    seconds: float | None = None  # of the job, as its service measured it
    cost: float = 0.0  # US dollars
    training: TrainingSummary | None = None
    exports: tuple[ExportResult, ...] = ()
    measure: Measure | None = None  # of the same model on the hold-out, by the rules of the service that trained it
    model: str | None = None  # folder in the store: what the trainer wrote
    report: str | None = None
    model_version: str | None = None  # "<registered model>/<version>"

    @property
    def reference(self) -> ExportResult | None:
        """The export on which the training is judged; None: it has none."""
        by_format = {export.format: export for export in self.exports}
        return next((by_format[name] for name in REFERENCES if name in by_format), None)

    @property
    def complete(self) -> bool:
        """Trained, scored and registered: nothing is left to do for it."""
        return self.state is State.SUCCEEDED and self.model_version is not None

    @property
    def pointer(self) -> str:
        return self.pointer_for(self.collection, f"{self.key}/{self.target}")


# --- comparison.json


class ComparisonRow(Record):
    target: str
    state: State | None  # None: no report by the deadline
    result: str | None
    mAP: float | None = None
    mAP50: float | None = None
    cost: float = 0.0


class ComparisonDocument(Document):
    """All results of one plan side by side, and which is proposed."""

    kind: ClassVar[str] = "comparison"
    plan: str
    rows: tuple[ComparisonRow, ...]
    proposal: str | None  # a target
    why: str
