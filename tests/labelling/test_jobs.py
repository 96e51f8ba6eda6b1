"""The tasks of assist_labelling, without Airflow around them: what they ask, what they make of the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from house.addresses import framed
from include.documents import BatchDocument
from include.labelling.answers import save_answer
from include.labelling.documents import Answer, Pool, RoundDocument
from include.settings import Settings, SettingsError, load
from labelling_jobs.labellers import open_labeller
from labelling_jobs.operators import GO_ON, STOP, ReviewRound
from labelling_jobs.rounds import close, escaped, open_next, question, start_next
from tests.labelling.conftest import CAT, Bench, box

PARAMS = {"collection": "pets", "batch": "all", "images": 2, "target": 0, "wait_for_model": True}
GOES_ON = {"by": "ada", "stop": False}


@pytest.fixture
def settings(lanner: Path) -> Settings:
    (lanner / "lanner.yaml").write_text(
        f"collections:\n  pets:\n    source: {lanner}/pictures\n    classes: [cat]\n    deadline_hours: 7\n"
        "    labelling: {labeller: nobody}\n"
    )
    bench = Bench(lanner / "pictures", load().open_store())
    for seed in range(3):
        bench.put(f"{seed}.jpg", seed)
    return load()


def label(settings: Settings, path: str, *images: int) -> None:
    store = settings.open_store()
    round_ = store.get(RoundDocument, path)
    for image in images:
        save_answer(store, round_, Answer(image=image, revision=1, decision="labelled", boxes=(box(CAT),), by="ada"))


def test_a_round_is_asked_about_closed_and_followed(settings: Settings) -> None:
    opened = open_next(settings, PARAMS)
    assert opened["subject"] == "Label 2 images: pets:all:1", "the page finds the question by the round's title"
    assert "(/plugin/labelling/labelling/?round=pets%3Aall%3A1)" in opened["body"]
    label(settings, opened["path"], 0, 1)
    closed = close(settings, PARAMS, opened, GOES_ON)
    assert closed == {
        "collection": "pets",
        "batch": "all.labelled-001",
        "wait_for": ("pets/newest/comparison/all.labelled-001_1",),
        "wait_hours": 7,
        "next_run": "labelling__pets__all__2",
    }
    with pytest.raises(DagRunTriggerException) as started:
        start_next(PARAMS, closed)
    assert (started.value.trigger_dag_id, started.value.dag_run_id) == ("assist_labelling", "labelling__pets__all__2")
    assert started.value.conf == PARAMS
    assert started.value.skip_when_already_exists, "a retry starts no second run"

    second = open_next(settings, PARAMS)
    label(settings, second["path"], 0)
    last = close(settings, PARAMS, second, GOES_ON)
    assert (last["next_run"], last["wait_for"]) == (None, ()), "no image is left"
    with pytest.raises(AirflowSkipException):
        start_next(PARAMS, last)
    with pytest.raises(AirflowSkipException, match="No image of pets:all is left"):
        open_next(settings, PARAMS)
    assert settings.open_store().newest(BatchDocument, "pets", "all") is not None


@pytest.mark.parametrize(
    ("params", "answer", "labelled", "goes_on"),
    [
        ({}, {"by": "ada", "stop": True}, [0], False),
        ({"target": 1}, GOES_ON, [0], False),
        ({"target": 2}, GOES_ON, [0], True),
        ({"target": 1}, GOES_ON, [], True),
    ],
)
def test_it_ends_when_it_is_enough(
    settings: Settings, params: dict[str, Any], answer: dict[str, Any], labelled: list[int], goes_on: bool
) -> None:
    opened = open_next(settings, PARAMS | params)
    label(settings, opened["path"], *labelled)
    closed = close(settings, PARAMS | params, opened, answer)
    assert bool(closed["next_run"]) is goes_on
    assert bool(closed["wait_for"]) is (goes_on and bool(labelled)), "without a batch no model comes of it"


def test_who_is_in_a_hurry_does_not_wait_for_the_model(settings: Settings) -> None:
    opened = open_next(settings, PARAMS)
    label(settings, opened["path"], 0)
    closed = close(settings, PARAMS | {"wait_for_model": False}, opened, GOES_ON)
    assert closed["wait_for"] == ()
    assert closed["next_run"] is not None


@pytest.mark.parametrize(
    ("option", "user", "expected"),
    [
        (GO_ON, {"id": "1", "name": "ada"}, {"by": "ada", "stop": False}),
        (STOP, {"id": "1", "name": "ada"}, {"by": "ada", "stop": True}),
        (STOP, None, {"by": "", "stop": True}),  # nobody answered in time
    ],
)
def test_the_answer_in_airflow_is_understood(option: str, user: dict[str, str] | None, expected: object) -> None:
    operator = ReviewRound(task_id="review", round_={})
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": user,
    }
    assert operator.execute_complete({}, event) == expected


def test_the_page_has_the_same_options(settings: Settings) -> None:
    script = Path(__file__).resolve().parents[2] / "plugins" / "labelling_page" / "static" / "finishing.js"
    assert f'const GO_ON = "{GO_ON}";' in script.read_text()
    assert f'const STOP = "{STOP}";' in script.read_text()


def test_a_labeller_that_nobody_has_is_named_with_those_there_are(settings: Settings, lanner: Path) -> None:
    (lanner / "lanner.yaml").write_text("collections: {pets: {source: x, labelling: {labeller: oracle}}}")
    with pytest.raises(SettingsError, match=r"got .oracle.; there are custom_vision, nobody, registry"):
        open_labeller(load(), "pets", "all")


def test_behind_a_proxy_the_question_leads_to_the_page_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/airflow/")
    assert framed("labelling", "/labelling/?round=x") == "/airflow/plugin/labelling/airflow/labelling/?round=x"


def test_names_are_no_markup_in_airflows_question() -> None:
    round_ = RoundDocument(
        collection="pets",
        key="all:1",
        source="x",
        labeller="[click](javascript:alert(1))<script>",
        classes=(),
        any_class=True,
        images=(),
        pool=Pool(found=0, labelled=0, skipped=0, set_aside=0, left=0),
        quarantine="q",
    )
    assert "[click](" not in question(round_) and "<script>" not in question(round_)
    assert escaped("a_b") == r"a\_b"
