"""The one table of targets: name → the service that trains there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from include import settings
from training_services.job import TrainingService


def _local(current: settings.Settings) -> TrainingService:
    from training_services.local import LocalService

    return LocalService(current.jobs, current.open_store())


def _vertex(current: settings.Settings) -> TrainingService:
    from include.costs.prices import PriceList
    from training_services.vertex.cloud import GoogleCloud
    from training_services.vertex.service import VertexService

    google = current.require_google()
    cloud = GoogleCloud.of_connection(google.connection, google.project)
    regions = {machine.region for machine in current.machines("vertex") if machine.region}
    prices = PriceList.of(current, "google")
    return VertexService(cloud, google, current.open_store(), regions, current.namespace, prices)


def _sagemaker(current: settings.Settings) -> TrainingService:
    from include.costs.prices import PriceList
    from training_services.sagemaker.cloud import AwsCloud
    from training_services.sagemaker.service import SageMakerService

    aws = current.require_aws()
    cloud = AwsCloud.of_connection(aws.connection, aws.region)
    prices = PriceList.of(current, "aws")
    return SageMakerService(cloud, aws, current.open_store(), current.namespace, prices)


def _sagemaker_builtin(current: settings.Settings) -> TrainingService:
    from include.costs.prices import PriceList
    from training_services.sagemaker.builtin import SageMakerBuiltinService
    from training_services.sagemaker.cloud import AwsCloud

    aws = current.require_aws("sagemaker_builtin")
    cloud = AwsCloud.of_connection(aws.connection, aws.region)
    prices = PriceList.of(current, "aws")
    return SageMakerBuiltinService(cloud, aws, current.open_store(), current.namespace, prices)


def _azure_ml(current: settings.Settings) -> TrainingService:
    from include.costs.prices import PriceList
    from training_services.azure_ml.cloud import AzureCloud
    from training_services.azure_ml.service import AzureMLService

    azure = current.require_azure()
    cloud = AzureCloud.of_connections(azure)
    prices = PriceList.of(current, "azure")
    return AzureMLService(cloud, azure, current.open_store(), current.namespace, prices)


def _custom_vision(current: settings.Settings) -> TrainingService:
    from include.costs.prices import PriceList
    from training_services.custom_vision.cloud import CustomVisionCloud
    from training_services.custom_vision.service import CustomVisionService

    vision = current.custom_vision
    cloud = CustomVisionCloud.of_connection(vision)
    prices = PriceList.of(current, "custom_vision")
    return CustomVisionService(cloud, vision, current.open_store(), current.namespace, prices)


_SERVICES: Mapping[str, Callable[[settings.Settings], TrainingService]] = MappingProxyType(
    {
        "local": _local,
        "vertex": _vertex,
        "sagemaker": _sagemaker,
        "sagemaker_builtin": _sagemaker_builtin,
        "azure_ml": _azure_ml,
        "custom_vision": _custom_vision,
    }
)
TARGETS = tuple(_SERVICES)


def targets_in_use(current: settings.Settings) -> list[str]:
    """The local target and those that some collection asks for.

    Raises:
        SettingsError: a collection asks for a target that is not in the table.
    """
    for name, collection in current.collections.items():
        if unknown := set(collection.targets).difference(TARGETS):
            raise settings.SettingsError(
                f"{settings.settings_file()}: collections.{name}.targets: there is no target {min(unknown)!r}; there "
                f"are {', '.join(TARGETS)}."
            )
    asked_for = {"local"}.union(*(collection.targets for collection in current.collections.values()))
    return [target for target in TARGETS if target in asked_for]


def open_service(target: str) -> TrainingService:
    """The service of a target, from the settings (and for clouds, its Airflow connection).

    Raises:
        ValueError: no such target, or the settings lack what it needs.
    """
    if target not in _SERVICES:
        raise ValueError(
            f"There is no target {target!r}; there are: {', '.join(TARGETS)} (plugins/training_jobs/targets.py)."
        )
    return _SERVICES[target](settings.load())
