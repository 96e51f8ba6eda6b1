"""Suggestions of Custom Vision: its own project, trained on what was labelled, shown the rest, never the hold-out.

The tests are the steps of one loop, in order. Twelve steps of training teach nothing, so any score will do.
"""

from __future__ import annotations

import io
import json
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from include.costs.budget import OverBudget
from include.costs.ledger import Kind, Ledger
from include.labelling.documents import RoundDocument
from labelling_jobs import custom_vision_labeller
from tests.labelling.custom_vision_loop import COLLECTION, PROJECT, RARE, Loop, connection, standin
from training_services.custom_vision import finds, labelling
from training_services.custom_vision.labelling import LabellingProject, QuickTrainingFailed
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.looking import Looks
from training_services.custom_vision.records import JobRecords
from training_services.custom_vision.tidying import make_room, ours


class Killed(BaseException):
    """What a task cannot catch."""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    with standin(folder) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANNER_HOME", str(folder / "state"))
        patch.setenv("LANNER_SETTINGS", str(folder / "deployment" / "lanner.yaml"))
        patch.setattr(custom_vision_labeller, "LOWEST_SCORE", 0.0)
        patch.setenv("AIRFLOW_CONN_CUSTOM_VISION_DEFAULT", connection(server.url))
        (folder / "deployment").mkdir()
        yield Loop(folder / "deployment", server.url)


@pytest.fixture(autouse=True)
def no_wish_outlives_its_test(loop: Loop) -> Iterator[None]:
    """A failed test's hold would hold the next one's training for ever."""
    yield
    loop.client.control("next", method="DELETE")


def interrupt(patch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """From now on the task dies when it gets there, and cleans nothing up."""

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    patch.setattr(where, name, dies)
    patch.setattr(JobRecords, "release", lambda _: None)


def project_of(loop: Loop) -> LabellingProject:
    return loop.labeller().project


def test_with_nothing_labelled_nobody_suggests_and_nothing_is_made(loop: Loop) -> None:
    first = loop.choose()
    assert (first.labeller, {image.suggestions for image in first.images}) == ("nobody", {()})
    loop.review(first)
    assert loop.calls() == {}
    assert min(len(loop.side(side)) for side in ("train", "holdout")) > 0


def test_killed_while_it_trains_it_goes_on_where_it_was(loop: Loop) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        interrupt(patch, LabellingProject, "_wait")
        loop.choose()
    before = loop.calls()
    assert before["CreateImagesFromFiles"] == before["TrainProject"] == 1
    iteration = loop.client.training.get_iterations(loop.project().id)[0]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(finds, "TOGETHER", 10)
        write = JobRecords.write

        def write_and_die(self: JobRecords, relative: str, content: Any) -> None:
            write(self, relative, content)
            if relative.startswith("looks/"):
                raise Killed

        patch.setattr(JobRecords, "write", write_and_die)
        loop.choose()
    second = loop.choose()
    after = loop.calls()
    assert (after["CreateProject"], after["CreateImagesFromFiles"], after["TrainProject"]) == (1, 1, 1)
    assert after["QuickTestImage"] == len(loop.truth) - 26, "no image was looked at twice"
    assert second.labeller == f"custom_vision/{iteration.name}"
    assert iteration.training_type == "Regular", "quick"


def test_the_second_round_has_the_services_suggestions(loop: Loop) -> None:
    second = opened(loop)
    suggestions = [each for image in second.images for each in image.suggestions]
    assert suggestions
    assert {each.label for each in suggestions} == {"digit"}, f"{RARE!r} is in too few images to be trained"
    image = next(image for image in second.images if image.suggestions)
    encoded = loop.store.read(image.stored(COLLECTION))
    (iteration,) = loop.client.training.get_iterations(loop.project().id)
    said = loop.client.training.quick_test_image(loop.project().id, encoded, iteration.id, store=False).predictions
    surest = max(said, key=lambda each: each.probability)
    assert image.suggestions[0].score == round(surest.probability, 4)
    assert abs(image.suggestions[0].xmax - (surest.bounding_box.left + surest.bounding_box.width) * image.width) <= 0.5
    boxes = loop.review(second).boxes
    assert boxes.accepted + boxes.corrected + boxes.rejected == len(suggestions)


def opened(loop: Loop) -> RoundDocument:
    found = loop.store.newest(RoundDocument, COLLECTION, "all:2")
    assert found is not None
    return found[1]


def test_no_image_of_the_hold_out_is_sent_to_be_kept(loop: Loop) -> None:
    """The second review has decided the sides of images that the service was shown: some are of the hold-out."""
    first = {image.sha256 for image in loop.store.newest(RoundDocument, COLLECTION, "all:1")[1].images}
    assert loop.stored() == loop.side("train", "validation") & first
    assert loop.shown() == loop.truth.keys() - first
    assert loop.side("holdout") & loop.shown() and not loop.side("holdout") & loop.stored()
    there = loop.client.training.get_images(loop.project().id, take=256)
    assert len(there) == len(loop.stored()), "and what it was shown is not there"
    assert all(image.regions for image in there)


def test_what_it_cost_stands_in_the_ledger(loop: Loop) -> None:
    accounts = Ledger(loop.store, COLLECTION).accounts()
    promise = accounts.pop("loop-labelling")
    assert (promise.ended, float(promise.spent)) == (Kind.CANCELLED, 0.0)
    assert promise.estimated > 20, "two hours, and looks"
    looks = accounts.pop(next(name for name in accounts if name.endswith("-looks")))
    assert float(looks.spent) == 0.002 * (len(loop.truth) - 26)
    (training,) = accounts.values()
    assert training.ended is Kind.FINAL and training.spent > 0


def test_nobody_who_tidies_up_deletes_its_project(loop: Loop) -> None:
    projects = ProjectListing(project_of(loop).account)
    assert ours(projects, "loop") == []
    assert not make_room(projects, loop.store, "loop")
    assert loop.project().name == PROJECT


def test_a_month_without_money_trains_nothing(loop: Loop) -> None:
    before = loop.calls()["TrainProject"]
    loop.set(monthly_budget=5)
    with pytest.raises(OverBudget, match="budget"):
        project_of(loop).trained_on(loop.dataset, looks=3)
    loop.set()
    assert loop.calls()["TrainProject"] == before


def test_two_at_once_are_kept_apart(loop: Loop) -> None:
    other = project_of(loop)
    other.records.claim("digits:another-batch")
    with pytest.raises(RuntimeError, match="another-batch"):
        project_of(loop).trained_on(loop.dataset, looks=3)
    other.records.release()


def test_the_oldest_iterations_make_room(loop: Loop) -> None:
    """A project has twenty; here by copies of the first one, the oldest of which answers somewhere."""
    folder = next(iter((loop.folder.parent / "standin" / "projects").iterdir())) / "iterations"
    (first,) = folder.iterdir()
    about = json.loads((first / "iteration.json").read_text())
    for number in range(19):
        copy = shutil.copytree(first, folder / str(uuid.uuid4()))
        created = f"2026-01-{number + 1:02}T00:00:00.000000Z"
        changes = {"id": copy.name, "name": f"copy {number}", "created": created}
        (copy / "iteration.json").write_text(json.dumps(about | changes))
    listed = loop.client.training.get_iterations(loop.project().id)
    oldest, second = sorted(listed, key=lambda each: each.created)[:2]
    resource = "/subscriptions/0/accounts/rehearsal"
    loop.client.training.publish_iteration(loop.project().id, oldest.id, "answers", resource)
    loop.client.control("next", {"hold": "Training"})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        interrupt(patch, LabellingProject, "_wait")
        project_of(loop).trained_on(loop.dataset, looks=3)
    left = {each.id: each for each in loop.client.training.get_iterations(loop.project().id)}
    (new,) = left.keys() - {each.id for each in listed}
    assert left.keys() - {new} == {each.id for each in listed} - {second.id}
    assert loop.stored() == loop.side("train", "validation"), "what was labelled since was sent"
    loop.client.training.delete_iteration(loop.project().id, new)


@pytest.mark.parametrize(("fault", "error"), [("training", QuickTrainingFailed), ("internal", RuntimeError)])
def test_a_training_that_fails_is_told_and_not_paid_for_again_unasked(
    loop: Loop, fault: str, error: type[Exception]
) -> None:
    """A ``ValueError`` is for a person; what the service itself broke is tried again."""
    one = loop.client.training.get_images(loop.project().id, take=1)[0]
    loop.client.training.delete_images(loop.project().id, image_ids=[one.id])  # it is sent anew, so there is news
    loop.client.control("next", {"fault": fault, "after": 0})
    with pytest.raises(error, match="failed"):
        project_of(loop).trained_on(loop.dataset, looks=3)


def test_one_that_takes_too_long_is_deleted(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    one = loop.client.training.get_images(loop.project().id, take=1)[0]
    loop.client.training.delete_images(loop.project().id, image_ids=[one.id])
    loop.client.control("next", {"hold": "Training"})
    monkeypatch.setattr(labelling, "MOST_SECONDS", 0.01)
    with pytest.raises(QuickTrainingFailed, match="it was deleted"):
        project_of(loop).trained_on(loop.dataset, looks=3)
    statuses = {each.status for each in loop.client.training.get_iterations(loop.project().id)}
    assert "Training" not in statuses


def test_an_image_that_the_service_refuses_has_no_suggestion(loop: Loop) -> None:
    project = project_of(loop)
    trained = next(
        each for each in loop.client.training.get_iterations(loop.project().id) if each.status == "Completed"
    )
    looks = Looks(project.account, project.records, loop.project().id, trained.id)
    thin = io.BytesIO()
    Image.new("RGB", (600, 10)).save(thin, "PNG")
    assert looks.at({"thin": thin.getvalue}) == {"thin": []}
