"""What makes a job of SageMaker's built-in "Object Detection - MXNet" fail, looked at before it is submitted.

Among them the four that everybody meets first: an S3 prefix under which there is nothing, a batch that is not smaller
than the validation images, a content type that was left empty, and channels that are called otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.aws import builtin_pipe
from include.checks.aws.builtin_job import (
    DEVELOPER_GUIDE,
    FOUR,
    IMAGE_TYPES,
    RECORDS_TYPE,
    SIDES,
    BuiltinJob,
)
from include.checks.aws.hyperparameters import DEFAULT_BATCH, DEFAULT_LABEL_WIDTH, HYPERPARAMETERS
from include.checks.rule import Fault, Rule

WHERE = "Change the target's training in lanner.yaml"


def _prefix(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        bucket, _, prefix = channel.uri.removeprefix("s3://").partition("/")
        list_it = f"aws s3 ls s3://{bucket}/{prefix.rpartition('/')[0]}/"
        if not channel.uri.startswith("s3://") or not bucket:
            yield Fault(
                f"Channel {channel.name}: {channel.uri!r} is no place in S3.",
                "Name it as s3://bucket/prefix (aws.bucket and aws.prefix in lanner.yaml).",
            )
        elif channel.region == "":
            yield Fault(
                f"Channel {channel.name}: there is no bucket {bucket}.", "Correct aws.bucket in lanner.yaml: aws s3 ls"
            )
        elif channel.region not in {None, job.region}:
            yield Fault(
                f"Channel {channel.name}: {bucket} lies in {channel.region}, the job would run in {job.region}.",
                f"Set aws.region to {channel.region} in lanner.yaml, or name a bucket in {job.region}.",
            )
        elif channel.objects == 0:
            yield Fault(
                f'Channel {channel.name}: nothing lies under {channel.uri}. SageMaker would say "No S3 objects found '
                f"under S3 URL\", and name region, prefix and the role's s3:ListBucket as what may be wrong.",
                f"Look what there is: {list_it}. Clear the task submit, so that it brings the data again, or correct "
                "aws.prefix in lanner.yaml.",
            )


def _batch(job: BuiltinJob) -> Iterable[Fault]:
    text = job.hyperparameters.get("mini_batch_size", str(DEFAULT_BATCH))
    if not HYPERPARAMETERS["mini_batch_size"].is_good(text):
        return  # another rule says so
    for side, images in zip(SIDES, (job.training_images, job.validation_images), strict=True):
        if int(text) >= images:
            yield Fault(
                f"mini_batch_size is {text}, and there are {images} {side} images (with boxes). There must be more of "
                'them than a batch holds; the job would fail ("The number of input images must be bigger or equal '
                'to the mini_batch_size").',
                f"{WHERE}: mini_batch_size: {max(images - 1, 1)} or less; or add images.",
            )


def _content_type(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        allowed = (RECORDS_TYPE,) if channel.is_manifest else (*IMAGE_TYPES, RECORDS_TYPE)
        if channel.content_type not in allowed:
            found = f"is {channel.content_type!r}" if channel.content_type else "is empty"
            yield Fault(
                f"Channel {channel.name}: the content type {found}; expected one of {', '.join(allowed)}.",
                f"Set it to {allowed[0]}, as the target does by itself; in a request of your own: aws sagemaker "
                f'create-training-job --input-data-config \'[{{"ChannelName": "{channel.name}", "ContentType": '
                f'"{allowed[0]}", …}}]\'',
            )


def _channels(job: BuiltinJob) -> Iterable[Fault]:
    names = [channel.name for channel in job.channels]
    records = any(channel.is_manifest or channel.content_type == RECORDS_TYPE for channel in job.channels)
    expected = SIDES if records else FOUR
    if sorted(set(names) - {"model"}) != sorted(expected) or len(set(names)) != len(names):
        odd = [f"{name} (meant: {name.removesuffix('_channel')})" for name in names if name.endswith("_channel")]
        yield Fault(
            f"The channels are {', '.join(names) or 'none'}; expected {', '.join(expected)}."
            + (f" Without _channel: {', '.join(odd)}." if odd else ""),
            f"Name them {', '.join(expected)}, each once, as the target does by itself.",
        )


def _hyperparameters(job: BuiltinJob) -> Iterable[Fault]:
    for name, each in HYPERPARAMETERS.items():
        if each.required and name not in job.hyperparameters:
            yield Fault(f"The hyperparameter {name} is missing; expected {each.allowed}.", f"{WHERE}: {name}.")
    for name, text in job.hyperparameters.items():
        if name not in HYPERPARAMETERS:
            yield Fault(
                f"There is no hyperparameter {name}.", f"{WHERE}; there are {', '.join(sorted(HYPERPARAMETERS))}."
            )
        elif not HYPERPARAMETERS[name].is_good(text):
            allowed = HYPERPARAMETERS[name].allowed
            yield Fault(f"The hyperparameter {name} is {text!r}; expected {allowed}.", f"{WHERE}: {name}: {allowed}.")


def _data(job: BuiltinJob) -> Iterable[Fault]:
    """Those hyperparameters that speak of the data, against the data."""
    least = job.most_boxes * 5 + 2
    given = {name: text for name, text in job.hyperparameters.items() if text.isdecimal()}
    width = int(given.get("label_width", DEFAULT_LABEL_WIDTH))
    if width < least:
        yield Fault(
            f"label_width is {width}; an image has {job.most_boxes} boxes, which take {least} (5 for each, and 2).",
            f"{WHERE}: label_width: {least} or more; or leave it out, then the data decide.",
        )
    for name, real in (("num_classes", job.classes), ("num_training_samples", job.training_images)):
        if name in given and int(given[name]) != real:
            yield Fault(
                f"{name} is {given[name]}; the data have {real}.", f"{WHERE}: leave {name} out, the data decide."
            )


_INPUT = f"{DEVELOPER_GUIDE}/object-detection.html#object-detection-inputoutput"
_TABLE = f"{DEVELOPER_GUIDE}/object-detection-api-config.html"
RULES: tuple[Rule[BuiltinJob], ...] = (
    Rule("S3_PREFIX", "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html", _prefix),
    Rule("BATCH_TOO_LARGE", _TABLE, _batch),
    Rule("CONTENT_TYPE", _INPUT, _content_type),
    Rule("CHANNEL_NAMES", _INPUT, _channels),
    Rule("HYPERPARAMETER", _TABLE, _hyperparameters),
    Rule("DATA_MISMATCH", _TABLE, _data),
    *builtin_pipe.RULES,
)
