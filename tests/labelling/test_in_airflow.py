"""The labelling loop in a whole Airflow: two batches without annotations, one labelled with suggestions of our own
model, one with those of Custom Vision's stand-in. A simulated reviewer answers through the page's API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from include.dataset.newest import newest_dataset
from include.labelling.documents import ReviewDocument, RoundDocument
from include.laptop.environment import USER
from tests.faults.deployment import Deployment
from tests.labelling.custom_vision_loop import bare_digits, connection, standin, stored_in
from tests.labelling.reviewer import Reviewer
from tests.test_main_job import TINY

pytestmark = [pytest.mark.faults, pytest.mark.clouds]
SECONDS = 2400  # for both loops; on an idle machine it takes a quarter of that
LABELLERS = {"by_own_model": "registry", "by_custom_vision": "custom_vision"}
TARGETS = {"registry": {"local": {"preset": "sample", "training": TINY}}, "custom_vision": {}}  # it trains its own
ROUND = 26  # images
ROUNDS = 2
PATIENT = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300"}  # nothing is killed here


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Reviewer]]:
    folder = tmp_path_factory.mktemp("labelling")
    with standin(folder) as server:
        deployment = Deployment(folder)
        deployment.environment |= PATIENT | {"AIRFLOW_CONN_CUSTOM_VISION_DEFAULT": connection(server.url)}
        truth = bare_digits(folder / "pages", images=60)
        collections = {
            name: {
                "source": str(folder / "pages"),
                "classes": ["digit"],
                "targets": TARGETS[labeller],
                "labelling": {"labeller": labeller, "images": ROUND, "threshold": 0},
            }
            for name, labeller in LABELLERS.items()
        }
        settings = {"custom_vision": {"poll_seconds": 2}, "collections": collections}
        (folder / "lanner.yaml").write_text(json.dumps(settings))
        with deployment:
            yield deployment, Reviewer(logged_in(deployment), truth)


@pytest.fixture(scope="module")
def labelled(deployment: tuple[Deployment, Reviewer]) -> Deployment:
    """Both batches labelled, in two rounds each, with a training between."""
    airflow, reviewer = deployment
    begun = time.monotonic()
    for collection in LABELLERS:
        asked = {"collection": collection, "batch": "all", "images": 0, "target": ROUNDS * ROUND}
        airflow.api.trigger("assist_labelling", asked | {"wait_for_model": True})
    while not ended(airflow):
        assert time.monotonic() - begun < SECONDS, f"finished are {sorted(reviewer.done)}: {runs(airflow)}"
        assert "failed" not in runs(airflow).values(), runs(airflow)
        reviewer.look()
        time.sleep(2)
    print(f"Two loops of {ROUNDS} rounds took {(time.monotonic() - begun) / 60:.0f} min.")
    return airflow


def logged_in(airflow: Deployment) -> httpx.Client:
    api = airflow.api
    api.dags()
    return httpx.Client(base_url=api.url, headers=api._client.headers, timeout=60)


def ended(airflow: Deployment) -> bool:
    """Have both runs of the last round come to their end?"""
    last = [state for run, state in runs(airflow).items() if run.endswith(f"__{ROUNDS}")]
    return len(last) == len(LABELLERS) and set(last) == {"success"}


def runs(airflow: Deployment) -> dict[str, str]:
    found = airflow.rows("select run_id, state from dag_run where dag_id = 'assist_labelling'")
    return {row.run_id: row.state for row in found}


@pytest.mark.parametrize("collection", LABELLERS)
def test_a_batch_without_annotations_is_labelled_in_two_rounds(labelled: Deployment, collection: str) -> None:
    first, second = (read(labelled, collection, number) for number in (1, 2))
    assert first[0].labeller == "nobody"
    expected = {"by_own_model": "by_own_model/1", "by_custom_vision": "custom_vision/Iteration 1"}
    assert second[0].labeller == expected[collection], "with suggestions of what was trained on the first"
    for number, (opened, review) in enumerate((first, second), start=1):
        assert [image.decision for image in review.images] == ["labelled"] * ROUND
        assert review.by == USER
        pool = review.pool
        assert (pool.found, pool.labelled, pool.left) == (60, number * ROUND, 60 - number * ROUND)
        tallied = review.boxes
        suggested = tallied.accepted + tallied.corrected + tallied.rejected
        assert suggested == sum(len(image.suggestions) for image in opened.images)
        print(f"{opened.title}: {suggested} suggested by {opened.labeller}, {tallied}")
    assert not {image.sha256 for image in first[1].images} & {image.sha256 for image in second[1].images}
    assert len([run for run in runs(labelled) if f"__{collection}__" in run]) == ROUNDS - 1


def test_no_image_of_the_hold_out_stays_with_the_service(labelled: Deployment) -> None:
    sent, holdout = stored_in(labelled.folder), side(labelled, "holdout")
    assert sent and holdout
    assert not sent & holdout


def read(airflow: Deployment, collection: str, number: int) -> tuple[RoundDocument, ReviewDocument]:
    opened = airflow.store.newest(RoundDocument, collection, f"all:{number}")
    review = airflow.store.newest(ReviewDocument, collection, f"all:{number}")
    assert opened is not None and review is not None
    return opened[1], review[1]


def side(airflow: Deployment, name: str) -> set[str]:
    dataset = newest_dataset(airflow.store, "by_custom_vision")
    assert dataset is not None
    return {image["sha256"] for image in json.loads(airflow.store.read(dataset.sides[name].coco))["images"]}
