"""Fields that several of Airflow's trigger forms have in common."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Param


def collection_field(collections: Sequence[str], about: str) -> Param:
    """One of the collections of lanner.yaml."""
    return Param(collections[0], type="string", enum=list(collections), title="Collection", description_md=about)


def batch_field(about: str) -> Param:
    """The key of a batch, which is a part of paths and of partition keys."""
    return Param("all", type="string", pattern=r"^[A-Za-z0-9_.~+-]{1,200}$", title="Batch", description_md=about)


def job_field(example: str) -> Param:
    """The name of a training's job."""
    return Param(
        "",
        type="string",
        title="Job",
        description_md=f"The whole name, such as *{example}*: it is in the log of **submit**, in *result.json*, in "
        "MLflow, and a folder below *models* in the store.",
    )
