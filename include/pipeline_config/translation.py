"""Takes over what the trainer understands of a pipeline.config (SSD family), and lists the rest with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from include.pipeline_config.augmentation import take_augmentation
from include.pipeline_config.reading import Left, Reading, Taken
from include.pipeline_config.text_format import Field, Message, TextFormatError, read_text_format

TOP = ("model", "train_config", "train_input_reader", "eval_config", "eval_input_reader", "graph_rewriter")
LEAST_SCORE = 0.0001  # the lowest threshold that the trainer takes
DEFAULT_RATE = 0.002  # optimizer.proto, for all kinds of learning rates
BACKBONES = {"ssd_mobilenet_v1": "mobilenet_v1", "ssd_mobilenet_v2": "mobilenet_v2"}  # by what types begin with
STRIDES = {3: 8, 4: 16}  # pixels per cell of a pyramid's level

DATA = "a path to data: the pipeline converts and stages its own (DATA=)"
REASONS = (
    (
        "model.ssd.feature_extractor.type",
        "the trainer has MobileNetV1 and MobileNetV2, with SSDLite's predictors",
    ),
    ("model.ssd.feature_extractor.min_depth", "the trainer's backbone is Keras', whose channels are multiples of 8"),
    ("model.ssd.feature_extractor", "the trainer's backbone and feature pyramid have hyperparameters of their own"),
    ("model.ssd.box_coder", "the trainer's scales are 10, 10, 5, 5, as TFLite's post-processing expects"),
    ("model.ssd.matcher", "the trainer matches anchors to objects by thresholds of its own"),
    ("model.ssd.similarity_calculator", "the trainer matches by IoU"),
    ("model.ssd.anchor_generator", "the trainer's anchors have three shapes in two sizes per cell (anchor_scale)"),
    ("model.ssd.image_resizer", "the trainer resizes images to a square (input_size)"),
    ("model.ssd.box_predictor", "the trainer's predictors have hyperparameters of their own"),
    ("model.ssd.loss", "the trainer's losses are quality focal loss and smooth L1"),
    ("model.ssd.post_processing", "the trainer's post-processing has a score per class and 100 detections at most"),
    ("train_config.optimizer", "the trainer's optimiser is AdamW with a cosine that ends with the steps"),
    ("train_config.fine_tune_checkpoint", "the API's checkpoints do not fit; WEIGHTS= names the backbone's weights"),
    ("train_config.fine_tune_checkpoint_type", "the API's checkpoints do not fit the trainer's model"),
    ("train_config.fine_tune_checkpoint_version", "the API's checkpoints do not fit the trainer's model"),
    ("train_config.from_detection_checkpoint", "the API's checkpoints do not fit the trainer's model"),
    ("train_config.load_all_detection_checkpoint_vars", "the API's checkpoints do not fit the trainer's model"),
    ("train_config.sync_replicas", "the trainer spreads by what it finds (tf.distribute), always synchronously"),
    ("train_config.replicas_to_aggregate", "the trainer spreads by what it finds (tf.distribute)"),
    ("train_config.startup_delay_steps", "the trainer spreads by what it finds (tf.distribute)"),
    ("train_config.max_number_of_boxes", "the trainer takes as many boxes as an image has"),
    ("train_input_reader", DATA),
    ("eval_input_reader", DATA),
    ("eval_config", "the trainer evaluates on the validation side by COCO's measure (evaluate_every, patience)"),
    ("graph_rewriter", "quantisation comes after training: the export writes an int8 model beside the others"),
)
OTHERWISE = "the trainer has nothing that corresponds to it"


@dataclass(frozen=True)
class Translation:
    """What became of a pipeline.config."""

    file: str
    configuration: dict[str, Any]  # fields of the trainer's configuration, nested as in its JSON
    taken: tuple[Taken, ...]
    left: tuple[Left, ...]

    def described(self) -> Iterator[str]:
        """For people, line by line: what was taken over, then what was not, by reason."""
        yield f"{self.file}: {len(self.taken)} values taken over, {len(self.left)} not."
        yield "Taken over:"
        for taken in self.taken:
            note = f"  ({taken.note})" if taken.note else ""
            yield f"  {taken.path}: {taken.value} → {taken.field} = {taken.became}{note}"
        if "augmentation" in self.configuration:
            yield "  Augmentation that the file does not ask for is off."
        yield "Not taken over:"
        for reason, lefts in groupby(sorted(self.left, key=lambda left: left.reason), key=lambda left: left.reason):
            yield f"  {reason}:"
            for left in sorted(lefts, key=lambda left: left.line):
                yield f"    line {left.line}: {left.path}: {left.value}"


def read_pipeline_config(file: Path, *, classes: int | None = None) -> Translation:
    """Read and translate a file.

    Args:
        classes: number of classes of the data, where that is known already; the file's is only compared with it.

    Raises:
        TextFormatError: it is no text format, no pipeline.config, not of the SSD family, or says something twice or of
            the wrong type; the message begins with ``file:line:column:``.
        OSError: it cannot be read.
    """
    return translate(read_text_format(file), str(file), classes=classes)


def translate(root: Message, name: str, *, classes: int | None = None) -> Translation:
    """As ``read_pipeline_config``, of a parsed file."""
    reading = Reading(root, name)
    for found in root.fields:
        if found.name not in TOP:
            raise reading.error(
                found, f"a pipeline.config has no field {found.name}; expected {', '.join(TOP)}. Is it another file?"
            )
    ssd = _ssd(reading)
    _take_classes(reading, ssd, classes)
    _take_input_size(reading, ssd)
    _take_backbone(reading, ssd)
    _take_anchors(reading, ssd)
    _take_thresholds(reading, ssd)
    training = reading.message(root, "train_config")
    _take_whole(reading, training, "batch_size", "batch_size")
    _take_steps(reading, training)
    _take_learning_rate(reading, training)
    if training.fields:
        take_augmentation(reading, training)
    return Translation(name, reading.fields, tuple(reading.taken), tuple(reading.left(REASONS, OTHERWISE)))


def _ssd(reading: Reading) -> Message:
    models = reading.message(reading.root, "model").fields
    if not models:
        raise TextFormatError(f"{reading.name}:1:1: there is no model; expected 'model {{ ssd {{ … }} }}'.")
    for found in models:
        if found.name != "ssd":
            raise reading.error(found, f"the model is {found.name}; the trainer has detectors of the SSD family only.")
    return reading.message(reading.root, "model.ssd")


def _take_classes(reading: Reading, ssd: Message, classes: int | None) -> None:
    found = reading.one(ssd, "num_classes")
    if found is None:
        return
    number = reading.whole(found)
    if classes is None:
        said = "the classes are those of the data; not compared, because those are not known yet"
    elif classes == number:
        said = f"the classes are those of the data, which are {classes}, too"
    else:
        said = f"the classes are those of the data, which are {classes}; is it the data that the file is for?"
    reading.leave([found], said)


def _take_input_size(reading: Reading, ssd: Message) -> None:
    fixed = "image_resizer.fixed_shape_resizer"
    height, width = reading.one(ssd, f"{fixed}.height"), reading.one(ssd, f"{fixed}.width")
    if height is None or width is None:
        return
    if reading.whole(height) == reading.whole(width):
        reading.take([height, width], "input_size", reading.whole(height))
    else:
        reading.leave([height, width], "the trainer's input is a square (input_size), this is none")


def _take_backbone(reading: Reading, ssd: Message) -> None:
    """With its width, which is another network's where the trainer lacks this one."""
    found = reading.one(ssd, "feature_extractor.type")
    kind = found.value if found is not None and isinstance(found.value, str) else ""
    known = next((name for prefix, name in BACKBONES.items() if kind.startswith(prefix)), None)
    if found is not None and known is not None:
        reading.take([found], "backbone", known)
    width = reading.one(ssd, "feature_extractor.depth_multiplier")
    if width is not None and kind and known is None:
        reading.leave([width], f"it is the width of {kind}, which the trainer does not have")
    elif width is not None:
        reading.take([width], "width", reading.number(width))


def _take_number(reading: Reading, message: Message, path: str, name: str) -> None:
    found = reading.one(message, path)
    if found is not None:
        reading.take([found], name, reading.number(found))


def _take_whole(reading: Reading, message: Message, path: str, name: str) -> None:
    found = reading.one(message, path)
    if found is not None:
        reading.take([found], name, reading.whole(found))


def _take_anchors(reading: Reading, ssd: Message) -> None:
    """Only of the generator whose anchors are laid out as the trainer's are."""
    generator = "anchor_generator.multiscale_anchor_generator"
    _take_number(reading, ssd, f"{generator}.anchor_scale", "anchor_scale")
    level = reading.one(ssd, f"{generator}.min_level")
    if level is not None and reading.whole(level) in STRIDES:
        reading.take([level], "finest_stride", STRIDES[reading.whole(level)])


def _take_thresholds(reading: Reading, ssd: Message) -> None:
    suppression = "post_processing.batch_non_max_suppression"
    score = reading.one(ssd, f"{suppression}.score_threshold")
    if score is not None:
        is_lower = 0 <= reading.number(score) < LEAST_SCORE
        note = "the lowest that the trainer takes" if is_lower else ""
        reading.take([score], "score_threshold", LEAST_SCORE if is_lower else reading.number(score), note)
    _take_number(reading, ssd, f"{suppression}.iou_threshold", "iou_threshold")


def _take_steps(reading: Reading, training: Message) -> None:
    found = reading.one(training, "num_steps")
    if found is None:
        return
    if reading.whole(found) == 0:
        reading.leave([found], "0 is without end in the API; the trainer goes by the number of images")
    else:
        reading.take([found], "steps", reading.whole(found))


def _take_learning_rate(reading: Reading, training: Message) -> None:
    """The peak and the warm-up. SGD's rate (0.08 and more in the API's samples) is none for AdamW, whose is 0.005."""
    optimizers = [found for found in reading.message(training, "optimizer").fields if found.name.endswith("_optimizer")]
    if not optimizers:
        return
    if len(optimizers) > 1:
        raise reading.error(optimizers[1], f"there are two optimizers, {optimizers[0].name} and {optimizers[1].name}.")
    optimizer = optimizers[0]
    schedules = reading.message(training, f"optimizer.{optimizer.name}.learning_rate").fields
    if not schedules:
        return
    if len(schedules) > 1:
        raise reading.error(schedules[1], f"there are two learning rates, {schedules[0].name} and {schedules[1].name}.")
    schedule = reading.message(training, f"optimizer.{optimizer.name}.learning_rate.{schedules[0].name}")
    peak, warmup = _peak_and_warmup(reading, schedules[0].name, schedule)
    if optimizer.name == "momentum_optimizer":
        reading.leave(
            [peak] if peak else [], "a rate of SGD with momentum is far too high for the trainer's AdamW; its own stays"
        )
    elif peak is not None:
        note = "RMSProp's, for AdamW" if optimizer.name == "rms_prop_optimizer" else ""
        reading.take([peak], "learning_rate", reading.number(peak), note)
    elif not schedule.fields:
        reading.take([schedules[0]], "learning_rate", DEFAULT_RATE, "the API's default")
    if warmup is not None:
        steps = reading.fields.get("steps")
        if steps is not None and reading.whole(warmup) >= steps:
            reading.leave([warmup], f"the warm-up would last longer than all {steps} steps")
        else:
            reading.take([warmup], "warmup_steps", reading.whole(warmup))


def _peak_and_warmup(reading: Reading, kind: str, schedule: Message) -> tuple[Field | None, Field | None]:
    """The fields of the highest rate and of the steps until it is reached, where the schedule names them."""
    match kind:
        case "constant_learning_rate":
            return reading.one(schedule, "learning_rate"), None
        case "exponential_decay_learning_rate":
            return reading.one(schedule, "initial_learning_rate"), reading.one(schedule, "burnin_steps")
        case "cosine_decay_learning_rate":
            return reading.one(schedule, "learning_rate_base"), reading.one(schedule, "warmup_steps")
        case "manual_step_learning_rate":
            initial, warmup = reading.one(schedule, "initial_learning_rate"), reading.one(schedule, "warmup")
            first = next((f.value for f in schedule.named("schedule") if isinstance(f.value, Message)), None)
            if first is not None and warmup is not None and reading.flag(warmup):
                return reading.one(first, "learning_rate"), reading.one(first, "step")
            return initial, None
    return None, None
