"""What every target can do, on Custom Vision; what a training comes to is in ``test_whole_way``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.clouds.custom_vision_account import CustomVisionAccount
from include.clouds.failures import CallFailed
from include.custom_vision_training import DOMAINS, CustomVisionConfiguration
from include.documents import DatasetDocument, Reason, State
from include.settings import CustomVisionSettings
from include.store import Store
from tests.standins.azure.custom_vision_client import CustomVisionClient, custom_vision_standin
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.toy_collection import make_images
from tests.toy_dataset import put_dataset
from tests.training_services.custom_vision.conftest import QUICK, account
from tests.training_services.watching import ended, until
from training_services.custom_vision.records import JobRecords, read_results, write_result
from training_services.custom_vision.removal import remove_everything
from training_services.custom_vision.service import CustomVisionService
from training_services.custom_vision.submitting import Submission
from training_services.job import JobStatus, PredictingService, Refused, TrainingJob, pursue


@pytest.fixture
def held(standin: CustomVisionClient) -> CustomVisionClient:
    """The next training waits, and uses no CPU."""
    standin.control("next", {"hold": "Training"})
    return standin


def named(service: CustomVisionService, name: str) -> list[Any]:
    return [project for project in service.projects.all() if project.name == name]


def test_a_project_named_as_the_job_with_all_images_trains(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    assert isinstance(service, PredictingService)
    assert service.check(job) == []
    handle = service.find_or_submit(job)
    assert (handle.submitted, handle.status.state, handle.status.owner) == (True, State.RUNNING, job.owner)
    (project,) = named(service, job.name)
    assert f"https://www.customvision.ai/projects/{project.id}" in (handle.status.console_url or "")
    assert held.training.get_image_count(project.id) == 48
    (iteration,) = held.training.get_iterations(project.id)
    assert (iteration.training_type, iteration.reserved_budget_in_hours) == ("Regular", 0)
    assert {tag.name for tag in held.training.get_tags(project.id)} == {"red", "green & <b>bold</b>", "blue"}
    again = service.find_or_submit(replace(job, owner="another run"))
    assert (again.submitted, again.status.owner) == (False, job.owner)
    record = JobRecords(service.store, job.name).read("uploaded.json")
    assert record is not None
    assert record["found"] == record["stored"] + len(record["set_aside"]) + record["without_boxes"] == 48


def test_an_advanced_training_has_its_hours(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    asked = CustomVisionConfiguration(hours=3).to_json()
    service.find_or_submit(replace(job, configuration=asked))
    (project,) = named(service, job.name)
    (iteration,) = held.training.get_iterations(project.id)
    assert (iteration.training_type, iteration.reserved_budget_in_hours) == ("Advanced", 3)
    assert service.describe([job.name])[job.name].progress["of_minutes"] == 180


def test_submitted_by_several_at_the_same_moment_it_is_one_project(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    def submit(number: int) -> bool | None:
        try:
            return service.find_or_submit(replace(job, owner=f"run {number}")).submitted
        except CallFailed as busy:
            assert "is being submitted by run" in str(busy)
            return None

    with ThreadPoolExecutor(3) as pool:
        submitted = list(pool.map(submit, range(3)))
    assert submitted.count(True) == 1
    assert len(named(service, job.name)) == 1


def test_what_a_killed_worker_had_begun_is_gone_on_with(
    service: CustomVisionService,
    job: TrainingJob,
    held: CustomVisionClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its project is not known as a job before it trains; the next try of the same run finds it all the same."""

    def killed(self: Submission, project: Any) -> JobStatus:
        raise KeyboardInterrupt

    monkeypatch.setattr(Submission, "_train", killed)
    with pytest.raises(KeyboardInterrupt):
        service.find_or_submit(job)
    monkeypatch.undo()
    assert service.describe([job.name]) == {}
    (before,) = named(service, job.name)
    assert service.find_or_submit(job).submitted
    (after,) = named(service, job.name)
    assert after.id == before.id


def test_of_twins_the_older_counts_and_the_other_goes(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    """The service does not refuse a second project of a name."""
    for _ in range(2):
        service.account.call("create_project", job.name, domain_id=DOMAINS["General (compact) [S1]"])
    older, younger = named(service, job.name)
    service.projects.remove_twins(job.name)
    assert [project.id for project in named(service, job.name)] == [older.id] != [younger.id]


def test_cancelled_it_is_deleted_and_says_why(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    service.find_or_submit(job)
    service.cancel(job.name, Reason.BUDGET)
    status = service.describe([job.name])[job.name]
    assert (status.state, status.reason, status.owner) == (State.CANCELLED, Reason.BUDGET, job.owner)
    assert named(service, job.name) == []
    service.cancel(job.name, Reason.USER)  # again does nothing
    assert service.describe([job.name])[job.name].reason is Reason.BUDGET
    service.cancel("never-was-a1", Reason.USER)
    held.control("next", {"hold": "Training"})
    second = pursue(service, job, insist=True)
    assert (second.job.name, second.submitted) == (f"{job.prefix}-a2", True)


def test_a_deletion_that_failed_is_made_up_for(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.find_or_submit(job)

    def away(project: Any) -> None:
        raise CallFailed("away")

    with monkeypatch.context() as patched:
        patched.setattr(service.projects, "remove", away)
        with pytest.raises(CallFailed):
            service.cancel(job.name)
    assert service.describe([job.name])[job.name].state is State.CANCELLED
    assert len(named(service, job.name)) == 1
    service.cancel(job.name)
    assert named(service, job.name) == []


@pytest.mark.parametrize(
    ("fault", "reason", "renewable"), [("internal", Reason.LOST, True), ("training", Reason.TRAINER_ERROR, False)]
)
def test_a_training_that_failed(
    service: CustomVisionService,
    job: TrainingJob,
    standin: CustomVisionClient,
    fault: str,
    reason: Reason,
    renewable: bool,
) -> None:
    standin.control("next", {"fault": fault})
    service.find_or_submit(job)
    status = until(service, job.name, ended, 240)
    assert (status.state, status.reason, status.renewable) == (State.FAILED, reason, renewable), status
    assert status.message
    with pytest.raises(FileNotFoundError, match="has no trained project"):
        service.collect(job.name, Path("nowhere"))


@pytest.mark.parametrize("fault", ["quota", "forbidden"])
def test_a_training_that_is_not_begun(
    service: CustomVisionService, job: TrainingJob, standin: CustomVisionClient, fault: str
) -> None:
    standin.control("next", {"fault": fault})
    if fault == "quota":
        with pytest.raises(Refused, match="BadRequestExceededQuota") as refused:
            service.find_or_submit(job)
        assert refused.value.reason is Reason.QUOTA
    else:
        with pytest.raises(PermissionError, match="ForbiddenUserInsufficientCapability"):
            service.find_or_submit(job)
    assert service.describe([job.name]) == {}
    standin.control("next", {"hold": "Training"})
    assert service.find_or_submit(job).submitted, "asked again, it is"


def test_what_it_would_not_train_on_is_refused_and_not_left_there(
    service: CustomVisionService, job: TrainingJob, store: Store, tmp_path: Path
) -> None:
    few = put_dataset(store, tmp_path, train=make_images(12, seed=1), validation=make_images(6, seed=2))
    asked = replace(job, dataset=few.path)
    faults = service.check(asked)
    assert [fault.partition(":")[0] for fault in faults] == ["TAG_WITH_FEW_IMAGES"] * 3
    with pytest.raises(ValueError, match=r"Too few images of 'red' \(\d+\), .* no class with fewer than 15"):
        service.find_or_submit(asked)
    assert named(service, job.name) == []
    assert not JobRecords(store, job.name).claim_is_fresh(), "who comes next need not wait"


def test_a_wrong_key_is_said_before_anything_is_sent(
    service: CustomVisionService, job: TrainingJob, url: str, store: Store
) -> None:
    locked = CustomVisionService(CustomVisionAccount(url, "wrong"), service.settings, store, service.namespace)
    faults = locked.check(replace(job, machines=[{"preset": "t4"}]))
    assert [fault.partition(":")[0] for fault in faults] == [
        "CUSTOM_VISION_KEY",
        "PREDICTION_KEY",
        "NO_PREDICTION_RESOURCE",
        "NO_MACHINES",
    ]


def test_minutes_are_told_once_and_the_end(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    service.find_or_submit(job)
    page = service.log_pages({job.name: 0, "never-was-a1": 0})
    assert page[job.name].lines == ("Custom Vision trains, 0 min",)
    assert page["never-was-a1"].lines == ()
    assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()
    service.cancel(job.name, Reason.BUDGET)
    service.describe([job.name])
    page = service.log_pages({job.name: page[job.name].cursor})
    assert page[job.name].lines == (f"{job.name}: CANCELLED (BUDGET): cancelled, and deleted, 0 min",)
    assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()


def test_what_it_costs(service: CustomVisionService, job: TrainingJob) -> None:
    assert service.cost(job, 3600) == Decimal(10)
    advanced = replace(job, configuration=CustomVisionConfiguration(hours=2).to_json())
    assert service.cost(advanced, 6 * 3600) == Decimal(20), "no more than its hours"
    sides = {side: each.images for side, each in service.store.get(DatasetDocument, job.dataset).sides.items()}
    answers, stored = (
        Decimal(2) * sides["holdout"] / 1000,
        Decimal("0.7") * (sides["train"] + sides["validation"]) / 1000,
    )
    assert service.cost_of_answers(job) == answers + stored > 0
    service.settings = CustomVisionSettings(tier="F0")
    assert service.cost(job, 3600) == service.cost_of_answers(job) == 0


def test_many_are_looked_at_in_few_calls(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient, url: str, tmp_path: Path
) -> None:
    """Those that ended cost no call any more, and names that there are not cost none either."""
    service.find_or_submit(job)
    names = [job.as_attempt(number).name for number in range(1, 100)]
    with proxy_standin(tmp_path / "proxy", url) as proxy:
        seen = CustomVisionService(account(proxy.url), service.settings, service.store, service.namespace)
        assert seen.describe(names).keys() == {job.name}
        assert sum(control(proxy.url, "counts").values()) == 2
        service.cancel(job.name)
        assert seen.describe(names)[job.name].state is State.CANCELLED
        assert sum(control(proxy.url, "counts").values()) == 3


def test_everything_of_a_namespace_is_removed(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient
) -> None:
    service.find_or_submit(job)
    kept = held.training.create_project(f"{service.namespace}-by-hand")
    assert remove_everything(service) == "1 projects of Custom Vision"
    assert named(service, job.name) == []
    assert [project.id for project in named(service, kept.name)] == [kept.id]


# --- a resource that holds two projects


@pytest.fixture(scope="module")
def small_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with custom_vision_standin(tmp_path_factory.mktemp("small"), "--tier", "F0", *QUICK) as server:
        yield server.url


@pytest.fixture
def small(small_url: str, store: Store, namespace: str) -> Iterator[CustomVisionService]:
    settings = CustomVisionSettings(tier="F0", poll_seconds=0.2)
    made = CustomVisionService(account(small_url), settings, store, namespace)
    yield made
    for project in made.projects.all():
        made.projects.remove(project)


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the projects matter here."""
    monkeypatch.setattr(Submission, "_bring", lambda self, project: None)
    monkeypatch.setattr(Submission, "_train", lambda self, project: JobStatus(self.job.name, State.RUNNING))


@pytest.mark.usefixtures("few_images")
def test_room_is_made_of_what_nobody_needs(small: CustomVisionService, job: TrainingJob) -> None:
    jobs = [replace(job, prefix=f"{small.namespace}-custom-vision-11111111-{number}2222222-g1") for number in range(4)]
    small.find_or_submit(jobs[0])
    small.find_or_submit(jobs[1])
    with pytest.raises(Refused, match="BadRequestExceedProjectLimit") as refused:
        small.find_or_submit(jobs[2])
    assert refused.value.reason is Reason.QUOTA
    write_result(small.store, JobStatus(jobs[0].name, State.CANCELLED, Reason.USER))
    small.find_or_submit(jobs[2])
    assert {project.name for project in small.projects.all()} == {jobs[1].name, jobs[2].name}
    small.store.path(JobRecords(small.store, jobs[1].name).path("claim")).unlink()
    small.find_or_submit(jobs[3])
    assert {project.name for project in small.projects.all()} == {jobs[2].name, jobs[3].name}, "given up, so it went"


@pytest.mark.usefixtures("few_images")
def test_what_is_not_ours_is_never_deleted_for_room(
    small: CustomVisionService, job: TrainingJob, small_url: str
) -> None:
    client = CustomVisionClient(small_url)
    for number in range(2):
        client.training.create_project(f"{small.namespace}-made-by-hand-{number}")
    with pytest.raises(Refused):
        small.find_or_submit(job)
    assert len(small.projects.all()) == 2


# --- through a proxy that breaks calls


def test_a_quarter_of_all_calls_fail_and_one_project_trains(
    service: CustomVisionService,
    job: TrainingJob,
    held: CustomVisionClient,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("include.clouds.custom_vision_account.PAUSE", 0.02)
    with proxy_standin(tmp_path / "proxy", url) as proxy:
        rule(proxy.url, fault="status", status=503, probability=0.08, seed=1)
        rule(proxy.url, fault="status", status=429, retry_after=0.05, probability=0.08, seed=2)
        rule(proxy.url, fault="reset", probability=0.05, seed=3)
        rule(proxy.url, fault="lost", probability=0.05, seed=4)
        broken = CustomVisionService(account(proxy.url), service.settings, service.store, service.namespace)
        for _ in range(20):  # as Airflow tries a task
            try:
                broken.find_or_submit(job)
                break
            except CallFailed:
                continue
        assert sum(each["struck"] for each in control(proxy.url, "rules")), "nothing was broken"
    (project,) = named(service, job.name)
    assert held.training.get_image_count(project.id) == 48
    assert len(held.training.get_iterations(project.id)) == 1
    boxes = sum(len(image.regions) for image in held.training.get_images(project.id, take=256))
    assert boxes == sum(len(image.boxes) for image in [*make_images(36, seed=1), *make_images(12, seed=2)])


def test_a_lost_answer_to_the_training_is_no_second_one(
    service: CustomVisionService, job: TrainingJob, held: CustomVisionClient, url: str, tmp_path: Path
) -> None:
    with proxy_standin(tmp_path / "proxy", url) as proxy:
        rule(proxy.url, fault="lost", path=r"/train(\?|$)", count=1)
        broken = CustomVisionService(account(proxy.url), service.settings, service.store, service.namespace)
        with pytest.raises(CallFailed):
            broken.find_or_submit(job)
        adopted = broken.find_or_submit(job)
        assert adopted.status.state is State.RUNNING
    (project,) = named(service, job.name)
    assert len(held.training.get_iterations(project.id)) == 1


def test_results_are_read_of_the_attempts_that_were_asked_for(store: Store) -> None:
    status = JobStatus("n-custom-vision-1-2-g1-a2", State.FAILED, Reason.LOST, "gone", "a run", 60.0, {"minutes": 1})
    write_result(store, status)
    names = [f"n-custom-vision-1-2-g1-a{number}" for number in range(1, 4)]
    assert read_results(store, names) == {status.name: status}
    assert read_results(store, names[:1]) == {}


def test_the_dataset_of_the_tests_is_large_enough(dataset: DatasetDocument) -> None:
    assert dataset.sides["train"].images + dataset.sides["validation"].images == 48
