"""What a run of train_<target> is judged by."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from house.assets import Partition
from include.documents import Reason, ResultDocument, State
from include.store import Store
from training_jobs.planned import require_success


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
