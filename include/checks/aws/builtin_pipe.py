"""What makes a job of the built-in detector fail that is given its data in Pipe mode, by augmented manifests.

https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html#object-detection-augmented-manifest-training
"""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.aws.builtin_job import DEVELOPER_GUIDE, MANIFEST, PIPE, RECORDS, RECORDS_TYPE, BuiltinJob
from include.checks.rule import Fault, Rule
from include.dataset.sagemaker_json import ATTRIBUTES


def _mode(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        if channel.is_manifest and channel.input_mode != PIPE:
            yield Fault(
                f"Channel {channel.name}: the input mode is {channel.input_mode}; an {MANIFEST} can be read only in "
                f"{PIPE} mode.",
                f"Set InputMode to {PIPE}, as the target does by itself with input_mode: {PIPE}.",
            )
        elif not channel.is_manifest and channel.input_mode == PIPE and channel.content_type != RECORDS_TYPE:
            yield Fault(
                f"Channel {channel.name}: in {PIPE} mode images come only by an {MANIFEST}, not from a prefix.",
                f"Write one (input_mode: {PIPE} of the target does), or set InputMode to File.",
            )


def _file(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        if channel.is_manifest and channel.uri.endswith("/"):
            yield Fault(
                f"Channel {channel.name}: {channel.uri} is a folder; an {MANIFEST} is one object of JSON Lines.",
                "Name the manifest itself.",
            )


def _wrapper(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        if channel.is_manifest and channel.wrapper != RECORDS:
            yield Fault(
                f"Channel {channel.name}: the record wrapper is {channel.wrapper}; without {RECORDS} the algorithm "
                "does not see where an image ends and its annotation begins.",
                f"Set RecordWrapperType to {RECORDS}, as the target does by itself.",
            )


def _attributes(job: BuiltinJob) -> Iterable[Fault]:
    for channel in job.channels:
        if channel.is_manifest and channel.attributes != ATTRIBUTES:
            yield Fault(
                f"Channel {channel.name}: the attribute names are {', '.join(channel.attributes) or 'none'}; its lines "
                f'have {", ".join(ATTRIBUTES)}, and the image must come first. The job would fail ("Unable to parse '
                'record", or "Got empty batch from pipe").',
                f"Set AttributeNames to {', '.join(ATTRIBUTES)}, in this order, as the target does by itself.",
            )


_MANIFEST = f"{DEVELOPER_GUIDE}/augmented-manifest.html"
_TRAINING = f"{DEVELOPER_GUIDE}/object-detection.html#object-detection-augmented-manifest-training"
RULES: tuple[Rule[BuiltinJob], ...] = (
    Rule("INPUT_MODE", _MANIFEST, _mode),
    Rule("MANIFEST_FILE", _MANIFEST, _file),
    Rule("RECORD_WRAPPER", _TRAINING, _wrapper),
    Rule("ATTRIBUTE_NAMES", _TRAINING, _attributes),
)
