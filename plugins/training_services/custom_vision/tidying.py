"""Room for a project more: a resource of tier F0 has two, one of S0 a hundred.

Each project goes when its model is here. What stays behind is what went wrong: of trainings that failed, of uploads
that were given up, and of deletions whose answer was lost.
"""

from __future__ import annotations

from typing import Any

from include.documents import State
from include.store import Store
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.records import JobRecords, read_results, write_result
from training_services.custom_vision.states import owner_of, status_of
from training_services.job import TrainingJob


def make_room(projects: ProjectListing, store: Store, namespace: str) -> bool:
    """Delete projects of ours that nobody needs any more. Returns whether there were any.

    One that holds a model which nobody collected is never among them.
    """
    removed = False
    for project in ours(projects, namespace):
        if _is_done_with(projects, store, project):
            print(f"Project {project.name} is not needed any more; it is deleted to make room.")
            projects.remove(project)
            removed = True
    return removed


def remove_earlier(projects: ProjectListing, store: Store, job: TrainingJob) -> None:
    """Delete what is left of a job's attempts before this one: they failed, and another is made in their place."""
    earlier = [job.as_attempt(number).name for number in range(1, job.attempt)]
    for project in projects.find(earlier).values() if earlier else ():
        if _is_done_with(projects, store, project):
            projects.remove(project)


def ours(projects: ProjectListing, namespace: str) -> list[Any]:
    """The projects of a namespace: named as its jobs, and described as such."""
    return [each for each in projects.all() if each.name.startswith(f"{namespace}-") and owner_of(each) is not None]


def _is_done_with(projects: ProjectListing, store: Store, project: Any) -> bool:
    if read_results(store, [project.name]):
        return True
    training = projects.training(project)
    if training is None:
        return not JobRecords(store, project.name).claim_is_fresh()
    status = status_of(project, training)
    if status.state is not State.FAILED:
        return False
    write_result(store, status)
    return True
