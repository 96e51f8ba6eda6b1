"""What a job costs, by hand and by the table; what is not known is asked for by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from include import settings
from include.costs.prices import PriceList, UnknownPrice, WorkerPool, load_prices
from include.settings import HourlyPrice

REGIONS = {
    "google": {"us-central1", "europe-west4"},
    "aws": {"us-east-1", "us-west-2", "eu-central-1"},
    "azure": {"eastus", "eastus2", "westus2"},
    "custom_vision": {"any"},
}
OWN = {"box": {"here": HourlyPrice(on_demand=3.6, spot=1.8)}, "chip": {"here": HourlyPrice(on_demand=7.2)}}


@pytest.fixture
def google() -> PriceList:
    return PriceList("google")


@pytest.fixture
def own() -> PriceList:
    return PriceList("google", OWN)


def test_agrees_with_the_figure_that_vertex_publishes(google: PriceList) -> None:
    """0.21849885 dollars an hour, cloud.google.com/vertex-ai/pricing as of 2026-09-06."""
    assert google.hourly([WorkerPool("n1-standard-4")], "us-central1") == pytest.approx(
        Decimal("0.21849885"), abs=Decimal("0.00001")
    )


def test_every_figure_has_a_source_with_a_date() -> None:
    for cloud, prices in load_prices().items():
        for name, item in {**prices.machines, **prices.accelerators}.items():
            assert REGIONS[cloud] <= set(item.regions), name
            assert all(prices.sources[unit.source].date.year >= 2026 for unit in prices.units.values())
            for region, figure in item.regions.items():
                assert prices.sources[figure.source or item.source].date.year >= 2026
                assert figure.spot is not None and figure.spot <= figure.on_demand, (name, region)


def test_counts_machines_accelerators_and_seconds(own: PriceList) -> None:
    pools = [WorkerPool("box"), WorkerPool("box", replicas=3, accelerator="chip", accelerators=2)]
    assert own.hourly(pools, "here") == Decimal("57.6")  # 4 boxes and 6 chips
    assert own.job(pools, 1000, "here") == Decimal(16)


@pytest.mark.parametrize(("seconds", "billed"), [(0, 0), (0.2, 60), (59, 60), (60, 60), (60.1, 61), (3600, 3600)])
def test_bills_begun_seconds_and_a_minute_at_least(own: PriceList, seconds: float, billed: int) -> None:
    assert own.job([WorkerPool("box")], seconds, "here") == billed * Decimal("0.001")


def test_what_is_counted_has_a_price_too() -> None:
    prices = PriceList("custom_vision")
    assert prices.units("prediction", 1500) == Decimal(3)
    assert prices.units("images", 1) == Decimal("0.0007")
    assert prices.units("images", 0) == 0
    with pytest.raises(UnknownPrice, match=r"'labels' of Custom Vision, .*; what is counted is prediction, images"):
        prices.units("labels", 1)


def test_rounds_up_so_that_a_budget_is_never_passed_unseen(google: PriceList) -> None:
    exact = google.hourly([WorkerPool("n1-standard-4")], "us-central1") * 61 / 3600
    assert 0 <= google.job([WorkerPool("n1-standard-4")], 61, "us-central1") - exact < Decimal("0.000001")


def test_spot_costs_the_spot_price_and_the_whole_fee(google: PriceList, own: PriceList) -> None:
    spot = google.hourly([WorkerPool("n1-standard-4")], "us-central1", spot=True)
    assert spot == Decimal("0.05223") + Decimal("0.15") * Decimal("0.19")
    assert own.hourly([WorkerPool("box")], "here", spot=True) == Decimal("1.8")  # a price of one's own has it in it


def test_what_a_machine_always_has_is_counted_once(google: PriceList) -> None:
    implied = google.hourly([WorkerPool("g2-standard-8")], "us-central1")
    assert implied == google.hourly([WorkerPool("g2-standard-8", 1, "NVIDIA_L4", 1)], "us-central1")
    assert implied == pytest.approx(Decimal("1.15") * (Decimal("0.29358") + Decimal("0.56004")))
    with pytest.raises(ValueError, match=r"g2-standard-8 always has 1 x NVIDIA_L4, got 2 x NVIDIA_L4"):
        google.hourly([WorkerPool("g2-standard-8", 1, "NVIDIA_L4", 2)], "us-central1")


def test_an_unknown_machine_is_answered_with_how_to_add_it(google: PriceList) -> None:
    with pytest.raises(UnknownPrice) as unknown:
        google.hourly([WorkerPool("n9-standard-4")], "mars-west1")
    message = str(unknown.value)
    assert "no price for 'n9-standard-4' of Vertex AI custom training. Known are n1-standard-4, " in message
    assert message.endswith("  google:\n    n9-standard-4:\n      mars-west1: {on_demand: 1.23, spot: 0.45}")


def test_what_the_message_says_works(google: PriceList, tmp_path: Path) -> None:
    with pytest.raises(UnknownPrice) as unknown:
        google.hourly([WorkerPool("n9-standard-4")], "mars-west1")
    file = tmp_path / "lanner.yaml"
    file.write_text(str(unknown.value).split("\n", 1)[1])
    prices = PriceList.of(settings.load(file), "google")
    assert prices.hourly([WorkerPool("n9-standard-4")], "mars-west1") == Decimal("1.23")


@pytest.mark.parametrize(
    ("pool", "region", "spot", "message"),
    [
        (WorkerPool("n1-standard-4"), "mars-west1", False, "n1-standard-4 in mars-west1, only in us-central1, europe"),
        (
            WorkerPool("n1-standard-4", 1, "NVIDIA_TESLA_K80", 1),
            "us-central1",
            False,
            "no price for 'NVIDIA_TESLA_K80'",
        ),
        (WorkerPool("box", 1, "chip", 1), "here", True, "no price for 'chip'"),
    ],
)
def test_other_gaps_are_named(own: PriceList, pool: WorkerPool, region: str, spot: bool, message: str) -> None:
    with pytest.raises(UnknownPrice, match=message):
        own.hourly([pool], region, spot=spot)


def test_says_which_figures_nobody_confirmed(google: PriceList) -> None:
    assert google.unconfirmed([WorkerPool("n1-standard-4")], "us-central1") == []
    assert google.unconfirmed([WorkerPool("a2-highgpu-1g")], "us-central1") == ["NVIDIA_TESLA_A100", "a2-highgpu-1g"]


def test_refuses_half_an_accelerator_and_no_replicas() -> None:
    with pytest.raises(ValueError, match="name the kind and a number"):
        WorkerPool("box", accelerator="chip")
    with pytest.raises(ValueError, match="replicas is 0"):
        WorkerPool("box", replicas=0)


def test_an_unknown_cloud_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownPrice, match=r"'hetzner'; there are some for google"):
        PriceList("hetzner")
