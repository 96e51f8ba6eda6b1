"""A model online for a while: made once, paid from the training's budget, and gone afterwards, whatever happened.

Here the models are none, so that endpoints fail. One that answers: ``test_builtin.test_from_a_dataset_to_scores``.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.checks.aws.access import ACTIONS, ENDPOINT_POLICY
from include.clouds.failures import QuotaExceeded
from include.costs.budget import OverBudget
from include.costs.ledger import Kind, Ledger
from include.documents import DatasetDocument, State
from include.settings import AwsSettings, Settings
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.standins.processes import until
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.toy_dataset import put_dataset
from tests.training_services.sagemaker.conftest import account
from training_jobs.serving import Trial
from training_services.job import JobStatus
from training_services.sagemaker.answers import PredictionFailed
from training_services.sagemaker.builtin import SageMakerBuiltinService
from training_services.sagemaker.endpoint import Endpoint

MACHINE = "ml.m5.xlarge"
SECONDS = 300.0  # on a busy machine; a second on an idle one


@pytest.fixture
def dataset(store: Store, tmp_path: Path) -> DatasetDocument:
    return put_dataset(store, tmp_path)


@pytest.fixture
def builtin(urls: dict[str, str], settings: AwsSettings, store: Store) -> SageMakerBuiltinService:
    quick = settings.model_copy(update={"poll_seconds": 0.2})
    return SageMakerBuiltinService(account(urls), quick, store, namespace=f"n{settings.prefix}")


@pytest.fixture
def job(builtin: SageMakerBuiltinService, dataset: DatasetDocument) -> str:
    """The name of a job whose model is none."""
    name = f"{builtin.namespace}-sagemaker-builtin-{dataset.id[:8]}-22222222-g1-a1"
    key = builtin.files.path(builtin.files.model(name))
    builtin.account.client("s3").put_object(Bucket=builtin.settings.bucket, Key=key, Body=b"no archive")
    return name


@pytest.fixture
def endpoint(builtin: SageMakerBuiltinService, job: str, standin: SageMakerClient) -> Endpoint:
    return builtin.endpoint(job)


def left(endpoint: Endpoint) -> dict[str, list[Any]]:
    """What the service has by the endpoint's name."""
    lists = {"Models": "list_models", "Endpoints": "list_endpoints", "EndpointConfigs": "list_endpoint_configs"}
    return {
        found: listed
        for found, call in lists.items()
        if (listed := endpoint.account.call("sagemaker", call, NameContains=endpoint.name)[found])
    }


def fails(endpoint: Endpoint) -> str:
    """What is said of an endpoint once it has failed."""

    def words() -> str:
        try:
            assert not endpoint.is_in_service()
        except PredictionFailed as failed:
            return str(failed)
        return ""

    return until(words, SECONDS, "the endpoint's failure")


def test_one_that_fails_says_why_and_is_gone_afterwards(endpoint: Endpoint) -> None:
    endpoint.create(MACHINE)
    endpoint.create(MACHINE)
    assert set(left(endpoint)) == {"Models", "Endpoints", "EndpointConfigs"}
    assert f"The endpoint {endpoint.name} is Failed: Failed to download model data" in fails(endpoint)
    bills: list[float] = []
    endpoint.delete(bills.append, made=True)
    assert left(endpoint) == {}
    assert bills == sorted(bills) and bills[-1] > 0
    with pytest.raises(PredictionFailed, match="is gone"):
        endpoint.is_in_service()
    endpoint.delete(bills.append, made=True)
    assert len(bills) == 2, "what was gone already bills nothing"


def test_one_that_is_being_made_is_deleted_as_soon_as_that_can_be(endpoint: Endpoint, standin: SageMakerClient) -> None:
    standin.control("next", {"hold": "Starting"})
    endpoint.create(MACHINE)
    threading.Timer(1.5, standin.control, ("release", {})).start()
    endpoint.delete(lambda _: None, made=True)
    assert left(endpoint) == {}


def test_one_that_cannot_be_deleted_is_said_with_the_command(
    endpoint: Endpoint, standin: SageMakerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin.control("next", {"hold": "Starting"})
    endpoint.create(MACHINE)
    with monkeypatch.context() as patch:
        patch.setattr("training_services.sagemaker.endpoint.END_SECONDS", 0.5)
        with pytest.raises(PredictionFailed, match=f"it is Creating .*delete-endpoint --endpoint-name {endpoint.name}"):
            endpoint.delete(lambda _: None, made=True)
    standin.control("release", {})
    endpoint.delete(lambda _: None, made=True)
    assert left(endpoint) == {}


def test_one_that_a_dying_task_still_made_is_found(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_services.sagemaker.endpoint.LATE_SECONDS", 3.0)
    threading.Timer(1.0, endpoint.create, (MACHINE,)).start()
    bills: list[float] = []
    endpoint.delete(bills.append, made=False)
    assert left(endpoint) == {}
    assert bills


def test_over_the_quota_nothing_is_made_and_nothing_is_left(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_services.sagemaker.endpoint.LATE_SECONDS", 0.0)
    with pytest.raises(QuotaExceeded, match=r"'ml.g5.xlarge for endpoint usage' is 0 Instances"):
        endpoint.create("ml.g5.xlarge")
    assert set(left(endpoint)) == {"Models", "EndpointConfigs"}
    endpoint.delete(lambda _: None, made=False)
    assert left(endpoint) == {}


@pytest.mark.parametrize(
    "call", ["CreateEndpointConfig", "CreateEndpoint", "DeleteEndpoint", "DeleteEndpointConfig", "DescribeEndpoint"]
)
def test_a_lost_answer_changes_nothing(endpoint: Endpoint, urls: dict[str, str], tmp_path: Path, call: str) -> None:
    """boto3 asks again, and hears that it is done already."""
    with proxy_standin(tmp_path / "proxy", urls["sagemaker"]) as proxy:
        rule(proxy.url, fault="lost", target=f"SageMaker.{call}$", count=1)
        through = Endpoint(
            account(urls | {"sagemaker": proxy.url}),
            endpoint.settings,
            endpoint.name.removesuffix("-live"),
            endpoint.image,
            endpoint.artifacts,
        )
        through.create(MACHINE)
        fails(through)
        through.delete(lambda _: None, made=True)
        assert control(proxy.url, "rules")[0]["struck"] == 1
    assert left(endpoint) == {}


def test_the_policies_grant_what_is_called(endpoint: Endpoint) -> None:
    calls: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        calls.add(f"{model.service_model.service_name}.{model.name}")

    for service in ("sagemaker", "sagemaker-runtime"):
        endpoint.account.client(service).meta.events.register("before-call", note)
    endpoint.create(MACHINE)
    fails(endpoint)
    with pytest.raises(FileNotFoundError, match=r"sagemaker-runtime.invoke_endpoint answered ValidationError"):
        endpoint.ask(b"an image")
    endpoint.delete(lambda _: None, made=True)
    of_endpoints = {call for each in ACTIONS.values() if each.policy == ENDPOINT_POLICY for call in each.calls}
    assert calls == of_endpoints | {"sagemaker.CreateModel", "sagemaker.DeleteModel"}


# --- what the DAG's tasks make of it


@pytest.fixture
def trial(builtin: SageMakerBuiltinService, job: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """Of a job that is said to have succeeded."""
    monkeypatch.setattr("training_jobs.serving.open_service", lambda target: builtin)
    monkeypatch.setattr(builtin, "describe", lambda names: {name: JobStatus(name, State.SUCCEEDED) for name in names})
    return Trial(of_budget(store, 0.5), "toy", job, MACHINE)


def of_budget(store: Store, dollars: float) -> Settings:
    targets = {"sagemaker_builtin": {"budget": dollars}}
    fields = {"store": str(store.root), "collections": {"toy": {"source": "images", "targets": targets}}}
    return Settings.model_validate(fields)


def test_it_is_paid_from_the_trainings_budget(trial: Trial, store: Store, standin: SageMakerClient) -> None:
    """An hour is promised before anything is made, and what it was is recorded afterwards; a second one besides."""
    ledger = Ledger(store, "toy")
    for name in (f"{trial.job}-live", f"{trial.job}-live2"):
        assert trial.set_aside() == name
        assert trial.set_aside() == name, "asked for once more it is the same"
        promised = ledger.accounts()[name]
        assert (promised.estimated, promised.committed) == (Decimal("0.23"), Decimal("0.23"))
        trial.create()
        with pytest.raises(AirflowFailException, match="is Failed"):
            until(trial.is_in_service, SECONDS, "its failure")
        assert "are gone. It cost $0." in trial.delete(name, made=True)
        spent = ledger.accounts()[name]
        assert spent.ended is Kind.FINAL
        assert 0 < spent.spent < promised.estimated


def test_more_than_is_left_is_not_made(trial: Trial, store: Store) -> None:
    with pytest.raises(ValueError, match=r"Nothing was made, because:\n- QUOTA: ml.g4dn.xlarge takes 1 .*endpoint"):
        replace(trial, machine="ml.g4dn.xlarge").set_aside()
    dearer = replace(trial, machine="ml.m5.2xlarge")
    with pytest.raises(OverBudget, match=r"can cost \$0.46, and \$0.40 is left of the budget of \$0.40"):
        replace(dearer, settings=of_budget(store, 0.4)).set_aside()
    assert Ledger(store, "toy").accounts() == {}
    dearer.set_aside()
    assert Ledger(store, "toy").accounts()[f"{trial.job}-live"].committed == Decimal("0.461")


def test_what_was_never_made_is_taken_back(trial: Trial, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_services.sagemaker.endpoint.LATE_SECONDS", 0.0)
    promised = trial.set_aside()
    assert "It cost $0.0000" in trial.delete(promised, made=False)
    account = Ledger(store, "toy").accounts()[promised]
    assert (account.ended, account.committed) == (Kind.CANCELLED, 0)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("raccoons", "is no job's name"),
        ("lanner-vertex-{dataset}-22222222-g1-a1", "is a job of vertex; an endpoint serves models of sagemaker_b"),
        ("lanner-sagemaker-builtin-0000ffff-22222222-g1-a1", "Collection toy has no dataset 0000ffff"),
        ("lanner-sagemaker-builtin-{dataset}-22222222-g1-a9", "is not known to sagemaker_builtin"),
    ],
)
def test_jobs_without_such_a_model(
    trial: Trial,
    builtin: SageMakerBuiltinService,
    dataset: DatasetDocument,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    words: str,
) -> None:
    monkeypatch.setattr(builtin, "describe", lambda names: {})
    with pytest.raises(ValueError, match=words):
        Trial(trial.settings, "toy", job.format(dataset=dataset.id[:8]), MACHINE).set_aside()
