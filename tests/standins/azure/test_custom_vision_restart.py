"""Neither a killed stand-in nor a killed runner loses a project, an image, a training, or what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException
from msrest.exceptions import ClientRequestError

from tests.standins.azure.custom_vision_account import COMPACT_S1
from tests.standins.azure.custom_vision_client import CustomVisionClient, custom_vision_standin
from tests.standins.azure.custom_vision_fixtures import QUICK, refused, send_pictures
from tests.standins.azure.custom_vision_status import FAILED
from tests.standins.processes import Standin, until
from tests.standins.proxy_client import proxy_standin, rule


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Standin]:
    with custom_vision_standin(tmp_path / "state", *QUICK) as server:
        yield server


@pytest.fixture
def client(server: Standin) -> CustomVisionClient:
    return CustomVisionClient(server.url)


@pytest.fixture
def project(client: CustomVisionClient) -> str:
    """A project that can be trained."""
    project = client.training.create_project("x", domain_id=COMPACT_S1)
    tag = client.training.create_tag(project.id, "square")
    send_pictures(client, project, tag, 15)
    return project.id


def runners(server: Standin) -> list[psutil.Process]:
    """The processes that train for a stand-in."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "tests.standins.azure.custom_vision_runner" in command and str(server.state) in command[-1]:
            found.append(process)
    return found


def test_all_is_there_after_a_kill(server: Standin, client: CustomVisionClient, project: str) -> None:
    api = client.training
    client.control("settings", {"calls_per_second": 0})
    client.control("next", {"hold": "Training"})
    client.control("next", {"fault": "quota"})
    held = api.train_project(project)
    (runner,) = until(lambda: runners(server), 60, "the runner")
    before = [each.as_dict() for each in api.get_images(project)]
    server.kill()
    server.start()
    assert runner.is_running()
    assert [each.as_dict() for each in api.get_images(project)] == before
    assert [each.as_dict() for each in api.get_iterations(project)] == [held.as_dict()]
    with pytest.raises(CustomVisionErrorException) as error:
        api.train_project(project)
    assert refused(error)[1] == "BadRequestTrainingAlreadyInProgress"
    assert client.control("next")["next"] == [{"count": 1, "fault": "quota"}]
    assert runners(server) == [runner]


def test_a_killed_runner_is_replaced(server: Standin, client: CustomVisionClient, project: str) -> None:
    client.control("next", {"hold": "Training"})
    client.training.train_project(project)
    (first,) = until(lambda: runners(server), 60, "the runner")
    first.kill()
    second = until(lambda: [each for each in runners(server) if each.pid != first.pid], 60, "another runner")
    assert len(second) == 1


def test_a_lost_trainings_answer_is_a_training_in_progress(
    server: Standin, client: CustomVisionClient, project: str, tmp_path: Path
) -> None:
    client.control("next", {"hold": "Training"})
    with proxy_standin(tmp_path / "proxy", server.url) as proxy:
        rule(proxy.url, fault="lost", path="/train", count=1)
        behind = CustomVisionClient(proxy.url)
        with pytest.raises(ClientRequestError):  # the SDK does not send a POST again
            behind.training.train_project(project)
        assert [each.status for each in behind.training.get_iterations(project)] == ["Training"]


def test_a_failed_training_stays_failed(server: Standin, client: CustomVisionClient, project: str) -> None:
    client.control("next", {"fault": "internal"})
    iteration = client.training.train_project(project)
    failed = client.reaches(project, iteration.id, {FAILED})
    server.kill()
    server.start()
    assert client.training.get_iteration(project, iteration.id).as_dict() == failed.as_dict()


def test_an_orderly_end_takes_the_trainings_along(server: Standin, client: CustomVisionClient, project: str) -> None:
    client.control("next", {"hold": "Training"})
    client.training.train_project(project)
    ours = until(lambda: runners(server), 60, "the runner")
    server.stop()
    assert psutil.wait_procs(ours, timeout=10)[1] == []


def test_a_deleted_project_takes_its_training_along(server: Standin, client: CustomVisionClient, project: str) -> None:
    client.control("next", {"hold": "Training"})
    client.training.train_project(project)
    ours = until(lambda: runners(server), 60, "the runner")
    client.training.delete_project(project)
    assert psutil.wait_procs(ours, timeout=10)[1] == []
    assert not (server.state / "projects" / project).exists()
