"""What differs between the machines that train: how they show the objects of a bucket."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput

GCS_MOUNT = "GCS_MOUNT"  # environment variable: the folder in which Google Cloud's buckets are mounted
VERTEX_MOUNT = "/gcs"  # https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system
AZURE_INPUT = "azureml-input"  # our own scheme: a file of an input of a job, wherever Azure ML mounts that
AZURE_VARIABLE = "AZURE_ML_INPUT_"  # https://learn.microsoft.com/azure/machine-learning/how-to-train-with-rest


def mounted_path(location: str) -> Path:
    """A path of this machine for what the command line names: a path, or an object or prefix as ``gs://bucket/…``.

    Vertex AI mounts every bucket that the job's service account may read, so the trainer needs no client library.
    Azure ML mounts a job's inputs and says where: ``azureml-input://<input>/…``.

    Raises:
        argparse.ArgumentTypeError: an address of another kind, or a bucket's prefix that leaves the bucket.

    >>> mounted_path("gs://bucket/jobs/one/data")
    PosixPath('/gcs/bucket/jobs/one/data')
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        return Path(location)
    bucket, *parts = rest.rstrip("/").split("/")
    if scheme == AZURE_INPUT and parts and not {"", ".", ".."}.intersection(parts):
        variable = AZURE_VARIABLE + bucket
        if mounted := os.environ.get(variable):
            return Path(mounted, *parts)
        raise argparse.ArgumentTypeError(f"{location!r}: this job has no input {bucket!r} (no {variable})")
    if scheme != "gs" or not bucket or {"", ".", ".."}.intersection([bucket, *parts]):
        raise argparse.ArgumentTypeError(f"{location!r} is neither a path nor gs://bucket/prefix")
    return Path(os.environ.get(GCS_MOUNT, VERTEX_MOUNT), bucket, *parts)


def with_mounted_weights(configuration: Configuration) -> Configuration:
    """The configuration with its starting weights as a path of this machine, where it names an object of a bucket.

    Raises:
        BadInput: the weights are an address of another kind.
    """
    if "://" not in configuration.weights:
        return configuration
    try:
        return configuration.replace(weights=str(mounted_path(configuration.weights)))
    except argparse.ArgumentTypeError as wrong:
        raise BadInput(f"Configuration: weights: {wrong}.") from wrong
