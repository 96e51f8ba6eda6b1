"""From a dataset to a plan, from results to a proposal: what is worth training, and what is better."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.documents import (
    Category,
    ComparisonRow,
    DatasetDocument,
    PlanDocument,
    Reason,
    ResultDocument,
    SideDocument,
    State,
)
from include.planning import plan_training
from include.results import assemble
from include.scoring.comparison import compare_results, propose
from include.settings import CollectionSettings
from include.store import Store
from include.training_program import other_models

SIDE = SideDocument(images=1, boxes=1, classes={"a": 1}, shards=(), coco="c")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    put_dataset(store)
    return store


def put_dataset(store: Store, warning: str = "") -> None:
    store.put(
        DatasetDocument(
            collection="toy",
            key="all",
            batches=(),
            label_map=(Category(id=1, name="a"),),
            label_map_pbtxt="l",
            assignments="a",
            sides={"train": SIDE, "validation": SIDE, "holdout": SIDE},
            warnings=(warning,),
        )
    )


def settings(**training: object) -> CollectionSettings:
    return CollectionSettings.model_validate(
        {"source": "images", "targets": {"local": {"preset": "sample", "training": training}}}
    )


def plan_builtin(store: Store, preset: str = "default", **training: object) -> dict:
    """The configuration that a plan has for SageMaker's built-in detector."""
    targets = {"sagemaker_builtin": {"preset": preset, "training": training}}
    asked = CollectionSettings.model_validate({"source": "images", "targets": targets})
    return plan_training(store, asked, "toy", "all")[0].targets[0].configuration


def plan(store: Store, retrain: bool = False, **training: object) -> tuple[PlanDocument, bool]:
    return plan_training(store, settings(**training), "toy", "all", retrain=retrain)


def report(
    store: Store, planned: PlanDocument, state: State = State.SUCCEEDED, version: str | None = "toy/1"
) -> ResultDocument:
    result = ResultDocument(
        collection="toy",
        key=planned.key,
        target="local",
        plan=planned.path,
        dataset_id=planned.dataset_id,
        state=state,
        model_version=version if state is State.SUCCEEDED else None,
    )
    store.put(result)
    return result


def test_the_first_dataset_is_planned_with_its_whole_configuration(store: Store) -> None:
    planned, needed = plan(store, steps=7)
    assert needed
    assert (planned.key, planned.generation) == ("all:1", 1)
    assert planned.targets[0].configuration["steps"] == 7
    assert planned.targets[0].configuration["weights"] == "none"
    assert planned.targets[0].configuration["augmentation"]["mirror"] is False


def test_the_machines_are_planned_as_the_settings_name_them(store: Store) -> None:
    machines = [{"preset": "tpu", "evaluator": "t4"}, {"preset": "l4", "spot": True}]
    asked = CollectionSettings.model_validate({"source": "images", "targets": {"vertex": {"machines": machines}}})
    planned, _ = plan_training(store, asked, "toy", "all", retrain=False)
    [target] = planned.targets
    assert [(each.preset, each.evaluator, each.spot) for each in target.machines] == [
        ("tpu", "t4", False),
        ("l4", "", True),
    ]


def test_nothing_is_planned_twice_once_it_has_succeeded(store: Store) -> None:
    first, _ = plan(store)
    report(store, first)
    assert plan(store) == (first, False)


@pytest.mark.parametrize("state", [State.FAILED, State.SUCCEEDED])
def test_what_has_not_succeeded_or_is_not_registered_is_planned_again_under_a_new_number(
    store: Store, state: State
) -> None:
    first, _ = plan(store)
    report(store, first, state, version=None)
    second, needed = plan(store)
    assert needed
    assert (second.key, second.generation) == ("all:2", 1)  # the generation stays, so the job is found and goes on


def test_new_data_or_another_configuration_is_worth_a_plan(store: Store) -> None:
    first, _ = plan(store)
    report(store, first)
    second, needed = plan(store, steps=9)
    report(store, second)
    put_dataset(store, "more")
    third, needed_too = plan(store, steps=9)
    assert needed and needed_too
    assert [first.key, second.key, third.key] == ["all:1", "all:2", "all:3"]


def test_train_again_raises_the_generation(store: Store) -> None:
    first, _ = plan(store)
    report(store, first)
    second, needed = plan(store, retrain=True)
    assert needed
    assert second.generation == 2
    report(store, second)
    assert plan(store) == (second, False)


def test_weights_are_known_by_their_content_not_by_their_place(store: Store, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.weights.h5").write_bytes(b"the same")
    planned = [plan(store, weights=str(tmp_path / name / f"{name}.weights.h5"))[0] for name in ("a", "b")]
    assert planned[0].targets == planned[1].targets
    assert store.read(planned[0].targets[0].configuration["weights"]) == b"the same"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"stepps": 3}, r"collections\.toy\.targets\.local\.training: .*stepps"),
        ({"steps": -1}, r"collections\.toy\.targets\.local\.training: .*steps is -1"),
        ({"weights": "gone.weights.h5"}, r"there is no file .*gone\.weights\.h5"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_place(store: Store, training: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(store, **training)


def test_the_built_in_detector_is_planned_with_its_hyperparameters(store: Store) -> None:
    configuration = plan_builtin(store, epochs=7)
    assert (configuration["epochs"], configuration["base_network"]) == (7, "resnet-50")
    assert "steps" not in configuration and "num_classes" not in configuration
    assert plan_builtin(store, "sample")["mini_batch_size"] < configuration["mini_batch_size"]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"image_shape": 299}, "image_shape is 299; it must be a whole number from 300"),
        ({"num_classes": 3}, "num_classes is not to be given"),
        ({"steps": 10}, "There is no hyperparameter steps; there are base_network"),
    ],
)
def test_a_wrong_hyperparameter_is_named_with_its_place(store: Store, training: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"collections\.toy\.targets\.sagemaker_builtin\.training: {message}"):
        plan_builtin(store, **training)


def test_without_a_dataset_it_says_what_to_run(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match="Run build_dataset"):
        plan_training(store, settings(), "toy", "2026-11-20")


# --- the end of it


def test_a_model_that_could_not_be_scored_is_no_success(store: Store) -> None:
    planned, _ = plan(store)
    result = assemble(store, planned, "local", state=State.SUCCEEDED, job="j")
    assert (result.state, result.reason) == (State.FAILED, Reason.TRAINER_ERROR)
    assert "could not be exported or scored" in result.message


def test_a_comparison_names_those_that_did_not_report(store: Store) -> None:
    planned, _ = plan(store)
    comparison = compare_results(store, planned)
    assert comparison.rows == (ComparisonRow(target="local", state=None, result=None),)
    assert comparison.proposal is None
    report(store, planned, State.FAILED)
    assert compare_results(store, planned).rows[0].state is State.FAILED


def test_the_best_is_proposed_and_of_equals_the_cheaper() -> None:
    def row(target: str, precision: float | None, cost: float) -> ComparisonRow:
        return ComparisonRow(target=target, state=State.SUCCEEDED, result="r", mAP=precision, cost=cost)

    assert propose([row("a", 0.5, 1.0), row("b", 0.6, 9.0), row("c", None, 0.0)])[0] == "b"
    assert propose([row("a", 0.6, 1.0), row("b", 0.6, 0.5)])[0] == "b"
    assert propose([row("a", None, 1.0)]) == (None, "no target has a model that passed the gate")


def test_a_comparison_says_which_models_are_of_another_kind() -> None:
    lines = list(other_models(["azure_ml", "custom_vision", "local", "sagemaker_builtin"]))
    assert [line.split()[0] for line in lines] == ["custom_vision", "sagemaker_builtin"]
    assert all("another kind of model" in line for line in lines)
