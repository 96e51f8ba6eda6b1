"""What a run of train_<target> is judged by."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from house.assets import Partition
from include.costs.prices import UnknownPrice
from include.documents import PlanDocument, Reason, ResultDocument, State
from include.store import Store
from tests.training_services import counting_trainer
from training_jobs.planned import conclude, require_success
from training_services.job import TrainingJob
from training_services.local import LocalService


def written(store: Store, **fields: object) -> Store:
    store.put(
        ResultDocument(collection="toy", key="all:1", target="local", plan="p", dataset_id="d", **fields)  # type: ignore[arg-type]
    )
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_registered_success_is_green(store: Store) -> None:
    require_success(written(store, state=State.SUCCEEDED, model_version="toy/1"), Partition("toy", "all:1"), "local")


def test_a_model_that_is_not_registered_is_red_and_says_that_nothing_is_trained_again(store: Store) -> None:
    with pytest.raises(AirflowFailException, match=r"not registered in MLflow.*clear register: nothing is trained"):
        require_success(written(store, state=State.SUCCEEDED), Partition("toy", "all:1"), "local")


def test_a_failure_is_red_with_its_reason(store: Store) -> None:
    written(store, state=State.FAILED, reason=Reason.BAD_INPUT, message="no such class")
    with pytest.raises(AirflowFailException, match=r"BAD_INPUT.*no such class"):
        require_success(store, Partition("toy", "all:1"), "local")


def test_without_a_result_it_is_red(store: Store) -> None:
    with pytest.raises(AirflowFailException, match="No result was written"):
        require_success(store, Partition("toy", "all:1"), "local")


def test_a_cost_that_nobody_knows_does_not_keep_the_result_back(
    lanner: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The price was taken out of lanner.yaml while the job ran."""

    class Unpriced(LocalService):
        def cost(self, job: TrainingJob, seconds: float) -> Decimal:
            raise UnknownPrice("There is no price for n1-standard-8.")

    (lanner / "lanner.yaml").write_text("collections: {toy: {source: images}}")
    service = Unpriced(lanner / "jobs", store)
    monkeypatch.setattr("training_jobs.planned.open_service", lambda target: service)
    dataset = counting_trainer.dataset(store)
    plan = PlanDocument(
        collection="toy", key="all:1", dataset=dataset, dataset_id="d", targets=(), deadline_hours=1.0, reason="test"
    )
    store.put(plan)
    job = TrainingJob("lanner-local-1-1-g1", "local", "toy", dataset, {}, "run", 60.0)
    folder = service.jobs / job.name
    folder.mkdir(parents=True)
    (folder / "job.json").write_text('{"owner": "run"}')
    (folder / "started").touch()
    (folder / "ended").write_text('{"state": "FAILED", "reason": "BAD_INPUT", "message": "bad", "seconds": 5.0}')
    result = conclude(store, Partition("toy", "all:1"), "local", job.as_dict(), [], None, None)
    assert (result.state, result.reason, result.cost) == (State.FAILED, Reason.BAD_INPUT, 0.0)
    assert result.message == "bad What it cost is not recorded: There is no price for n1-standard-8."
