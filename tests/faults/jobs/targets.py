"""The jobs of each target whose faults are tried, and its cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from tests.faults.jobs.azure_ml import AzureMLJobs
from tests.faults.jobs.custom_vision import CustomVisionJobs
from tests.faults.jobs.local import LocalJobs
from tests.faults.jobs.sagemaker import SageMakerJobs
from tests.faults.jobs.vertex import VertexJobs
from tests.faults.jobs.watched import Jobs
from tests.standins.clouds import Cloud
from tests.standins.rehearse import REHEARSED

JOBS: Mapping[str, type[Jobs]] = MappingProxyType(
    {
        "local": LocalJobs,
        "vertex": VertexJobs,
        "sagemaker": SageMakerJobs,
        "azure_ml": AzureMLJobs,
        "custom_vision": CustomVisionJobs,
    }
)
CLOUDS: Mapping[str, Callable[..., AbstractContextManager[Cloud]]] = MappingProxyType(
    {target: REHEARSED[target] for target in JOBS if target in REHEARSED}
)
