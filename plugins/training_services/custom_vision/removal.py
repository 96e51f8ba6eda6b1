"""Remove all that a deployment has on Custom Vision. For what was only tried, never for production."""

from __future__ import annotations

from training_services.custom_vision.service import CustomVisionService
from training_services.custom_vision.tidying import ours


def remove_everything(service: CustomVisionService) -> str:
    """Delete every project of the namespace, those that train included. Returns what that was."""
    projects = ours(service.projects, service.namespace)
    for project in projects:
        service.projects.remove(project)
    return f"{len(projects)} projects of Custom Vision"
