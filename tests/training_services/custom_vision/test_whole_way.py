"""One training of the stand-in, really trained: collected, asked, scored, gone. The tests are its steps, in order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.clouds.custom_vision_account import CustomVisionAccount
from include.costs.ledger import Ledger
from include.custom_vision_training import CustomVisionConfiguration
from include.documents import DatasetDocument, PlanDocument, Reason, ResultDocument, State, TrainingSummary
from include.results import Scores, assemble, folder_of, score_model
from include.settings import CustomVisionSettings, Settings, Thresholds
from include.store import Store
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.toy_collection import make_images
from tests.toy_dataset import put_dataset
from tests.training_services.custom_vision.conftest import account
from tests.training_services.watching import ended, until
from training_jobs import predicting
from training_services.custom_vision import finds
from training_services.custom_vision.answering import PredictionFailed
from training_services.custom_vision.service import CustomVisionService
from training_services.custom_vision.submitting import Submission
from training_services.job import TrainingJob

SECONDS = 3600.0  # a stand-in's training waits for its turn on the CPU
HOLDOUT = {image.sha256: image for image in make_images(6, seed=4)}


@dataclass
class Way:
    """A training that succeeded, and where its parts are."""

    service: CustomVisionService
    store: Store
    dataset: DatasetDocument
    job: TrainingJob
    url: str
    folder: Path
    bills: list[tuple[str, Decimal]] = field(default_factory=list)

    def through(self, url: str) -> CustomVisionService:
        return CustomVisionService(account(url), self.service.settings, self.store, self.service.namespace)

    @property
    def images(self) -> Mapping[str, Path]:
        for name, image in HOLDOUT.items():
            (self.folder / name).write_bytes(image.encoded)
        return {name: self.folder / name for name in HOLDOUT}

    def bill(self, name: str, dollars: Decimal, what: str) -> None:
        self.bills.append((name, dollars))

    @property
    def project(self) -> str:
        return str(self.service.projects.find([self.job.name])[self.job.name].id)


@pytest.fixture(scope="module")
def way(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    folder = tmp_path_factory.mktemp("way")
    store = Store(folder / "store")
    dataset = put_dataset(store, folder, train=make_images(36, seed=1), validation=make_images(12, seed=2))
    service = CustomVisionService(account(url), CustomVisionSettings(poll_seconds=0.3), store, "way")
    job = TrainingJob(
        prefix="way-custom-vision-11111111-22222222-g1",
        target="custom_vision",
        collection="toy",
        dataset=dataset.path,
        configuration=CustomVisionConfiguration.preset("sample").to_json(),
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=3600.0,
    )
    assert service.find_or_submit(job).submitted
    status = until(service, job.name, ended, SECONDS)
    assert status.succeeded, status
    yield Way(service, store, dataset, job, url, folder)


def test_to_train_once_more_is_not_needed(way: Way) -> None:
    """The service says so, and what it has is adopted: as when the answer to the call was lost."""
    project = way.service.projects.find([way.job.name])[way.job.name]
    submission = Submission(way.service.projects, way.store, way.service.settings, "way", way.job)
    assert submission._train(project).succeeded
    assert len(way.service.account.call("get_iterations", project.id)) == 1


def test_its_model_is_collected_whatever_the_network_does(way: Way, tmp_path: Path) -> None:
    with proxy_standin(tmp_path / "proxy", way.url) as proxy:
        rule(proxy.url, fault="lost", path="/export", count=1)
        rule(proxy.url, fault="status", status=429, retry_after=0.1, path="/export", count=2)
        broken = way.through(proxy.url)
        for _ in range(5):  # as Airflow tries a task
            try:
                trained = broken.collect(way.job.name, tmp_path / "trained")
                break
            except Exception as error:
                print(repr(error))
        assert sum(each["struck"] for each in control(proxy.url, "rules")) == 3
    folder = trained / "custom_vision"
    assert (folder / "tensorflow" / "model.pb").stat().st_size > 100_000
    assert (folder / "tensorflowlite" / "model.tflite").stat().st_size > 100_000
    assert (folder / "coreml" / "labels.txt").exists()
    labels = (folder / "tensorflow" / "labels.txt").read_text().split("\n")
    assert set(labels) == {"red", "green & <b>bold</b>", "blue"}
    summary = TrainingSummary.model_validate_json((trained / "summary.json").read_text())
    assert summary.measure is not None
    assert summary.validation_mAP50 == summary.measure.average_precision
    assert set(summary.measure.classes) == set(labels)
    assert json.loads((trained / "configuration.json").read_text())["training"] == "quick"
    assert (summary.seconds, summary.warnings) == (way.service.describe([way.job.name])[way.job.name].seconds, ())
    way.store.copy_in(trained, f"{folder_of('toy', way.job.name)}/trained")


def test_its_project_stays_as_long_as_an_answer_is_missing(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Path
) -> None:
    """Interrupted, it goes on with the images that have no answer; none is asked about twice, none is stored there."""
    monkeypatch.setattr(finds, "TOGETHER", 2)
    assert not {name for name in HOLDOUT if list(sent.rglob(name))}, "until now it was never sent"
    with proxy_standin(tmp_path / "proxy", way.url) as proxy:
        detect, calls = CustomVisionAccount.detect, []

        def away(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) > 3:
                raise KeyboardInterrupt  # as a worker is killed
            return detect(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(CustomVisionAccount, "detect", away)
            with pytest.raises(KeyboardInterrupt):
                way.through(proxy.url).predict(way.job.name, way.images, [1, 2, 3], way.bill)
        looks = [call for call in control(proxy.url, "counts") if "/detect/" in call]
        assert looks
        assert all("/image/nostore" in call for call in looks)
    assert way.bills == [(f"{way.job.name}-score", Decimal("0.004"))], "two answers were written down"
    assert way.project, "it is needed yet"


def test_it_answers_for_the_holdout_and_goes(way: Way, monkeypatch: pytest.MonkeyPatch, sent: Path) -> None:
    service = way.service
    monkeypatch.setattr(predicting, "open_service", lambda target: service)
    fields = {"store": str(way.store.root), "collections": {"toy": {"source": "images"}}}
    current = Settings.model_validate(fields)
    trained = f"{folder_of('toy', way.job.name)}/trained/custom_vision"
    paths = predicting.export_or_predict(current, way.dataset, way.job.as_dict())
    assert paths == {
        "custom_vision": trained,
        "custom_vision_pb": f"{trained}/tensorflow",
        "custom_vision_tflite": f"{trained}/tensorflowlite",
    }
    assert {name for name in HOLDOUT if list(sent.rglob(f"predictions/{name}"))} == HOLDOUT.keys()
    assert not {name for name in HOLDOUT if list(sent.rglob(f"images/{name}"))}, "none was trained on"
    assert service.projects.find([way.job.name]) == {}
    accounts = Ledger(way.store, "toy").accounts()
    assert accounts[f"{way.job.name}-score"].spent == Decimal("0.012")
    assert accounts[f"{way.job.name}-images"].spent == Decimal("0.0336")


def test_what_is_gone_there_is_adopted_from_here(way: Way, tmp_path: Path) -> None:
    """Another Airflow asks for the same: nothing is trained, uploaded or asked again."""
    with proxy_standin(tmp_path / "proxy", way.url) as proxy:
        later = way.through(proxy.url)
        handle = later.find_or_submit(replace(way.job, owner="another run"))
        assert (handle.submitted, handle.status.state, handle.status.owner) == (False, State.SUCCEEDED, way.job.owner)
        assert handle.status.seconds
        trained = later.collect(way.job.name, tmp_path / "trained")
        assert (trained / "custom_vision" / "tensorflow" / "model.pb").exists()
        found = later.predict(way.job.name, way.images, [1, 2, 3], way.bill)
        assert found.keys() == HOLDOUT.keys()
        asked = {call for call in control(proxy.url, "counts") if "POST" in call or "DELETE" in call}
        assert not asked
        (way.folder / "another").write_bytes(make_images(1, seed=8)[0].encoded)
        with pytest.raises(FileNotFoundError, match="has no trained project"):
            later.predict(way.job.name, {"another": way.folder / "another"}, [1, 2, 3], way.bill)
    way.service.cancel(way.job.name, Reason.USER)
    assert way.service.describe([way.job.name])[way.job.name].succeeded, "what has ended is not cancelled"


def test_its_answers_and_its_exports_are_scored_side_by_side(way: Way) -> None:
    plan = PlanDocument(
        collection="toy",
        key="all:1",
        dataset=way.dataset.path,
        dataset_id=way.dataset.id,
        targets=(),
        deadline_hours=1,
        reason="",
    )
    path = score_model(way.store, plan, way.dataset, way.job.name, "custom_vision", Thresholds())
    scores = Scores.model_validate_json(way.store.read(path))
    by_format = {export.format: export for export in scores.exports}
    assert list(by_format) == ["custom_vision", "custom_vision_pb", "custom_vision_tflite"]
    answered = by_format["custom_vision"]
    assert answered.latency_ms is None
    for name in ("custom_vision_pb", "custom_vision_tflite"):
        assert by_format[name].metrics.mAP == pytest.approx(answered.metrics.mAP, abs=0.02)
        assert by_format[name].latency_ms is not None
        assert by_format[name].bytes > 100_000
    assert scores.measure is not None
    assert scores.training.measure is not None
    assert scores.measure.probability_threshold == scores.training.measure.probability_threshold == 0.5
    report = way.store.read(f"{folder_of('toy', way.job.name)}/report.html").decode()
    assert "By the service's own rules" in report
    assert "mean of the precision at eleven recalls" in report
    assert "green &amp; &lt;b&gt;bold&lt;/b&gt;" in report
    result = assemble(way.store, plan, "custom_vision", scores=path, state=State.SUCCEEDED, job=way.job.name)
    assert isinstance(result, ResultDocument)
    assert result.reference == answered
    assert result.measure == scores.measure


def test_an_export_that_is_none_is_kept_and_said(way: Way) -> None:
    folder = f"{folder_of('toy', way.job.name)}/trained/custom_vision/tensorflow"
    broken = Path(str(way.store.path(f"{folder}/model.pb")))
    kept = broken.with_name("kept")
    shutil.move(broken, kept)
    broken.write_bytes(b"no graph")
    plan = PlanDocument(
        collection="toy",
        key="all:1",
        dataset=way.dataset.path,
        dataset_id=way.dataset.id,
        targets=(),
        deadline_hours=1,
        reason="",
    )
    path = score_model(way.store, plan, way.dataset, way.job.name, "custom_vision", Thresholds())
    shutil.move(kept, broken)
    scores = Scores.model_validate_json(way.store.read(path))
    assert [export.format for export in scores.exports] == ["custom_vision", "custom_vision_tflite"]
    assert "The export custom_vision_pb is kept, but was not scored: " in scores.training.warnings[0]


def test_an_answer_of_another_label_map_is_refused(way: Way) -> None:
    with pytest.raises(PredictionFailed, match="its tags are "):
        way.service.predict(way.job.name, way.images, [1], way.bill)
