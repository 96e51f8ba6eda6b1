"""The channels of a job of the built-in detector: prefixes of images and JSON files, or pipes of augmented manifests.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
"""

from __future__ import annotations

from typing import Any

from include.checks.aws.builtin_job import MANIFEST, PIPE, RECORDS, RECORDS_TYPE, Channel
from include.dataset.sagemaker_json import ATTRIBUTES

SEED = 1  # of the order in each epoch; a pipe without one repeats that of the manifest


def as_pipe(channel: dict[str, Any], shuffled: bool) -> dict[str, Any]:
    """A channel of a prefix made one of the augmented manifest that it names."""
    source = {"S3DataType": MANIFEST, "AttributeNames": [*ATTRIBUTES]}
    return {
        **channel,
        "DataSource": {"S3DataSource": channel["DataSource"]["S3DataSource"] | source},
        "ContentType": RECORDS_TYPE,
        "RecordWrapperType": RECORDS,
        "InputMode": PIPE,
        **({"ShuffleConfig": {"Seed": SEED}} if shuffled else {}),
    }


def as_checked(channel: dict[str, Any]) -> Channel:
    """A channel of a request, for the rules; nothing of it need be in the bucket yet."""
    source = channel["DataSource"]["S3DataSource"]
    return Channel(
        channel["ChannelName"],
        source["S3Uri"],
        channel.get("ContentType", ""),
        data_type=source["S3DataType"],
        input_mode=channel.get("InputMode", "File"),
        wrapper=channel.get("RecordWrapperType", "None"),
        attributes=tuple(source.get("AttributeNames", ())),
    )
