"""
### Export: make the five files of any checkpoint, without training

For a job that was cancelled or failed after it had a checkpoint, or whose exports were lost: its best checkpoint is
fetched from its target unless the store has it, and exported as SavedModel, frozen graph and TFLite fp32, fp16, int8
into `<collection>/models/<job>/exports/`. Nothing is scored or registered: that needs a plan (`train_<target>`).

By hand and for checkpoints from elsewhere: `python -m include.export --help`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from house.defaults import Tag, dag_defaults
from house.form import collection_field, job_field
from include import settings


@task
def export(params: dict[str, Any]) -> None:
    from training_jobs.exporting import export_checkpoint

    for name, path in export_checkpoint(settings.load(), params["collection"], params["job"]).items():
        print(f"{name}: {path}")


if collections := sorted(settings.load().collections):
    with DAG(
        "export_model",
        schedule=None,
        doc_md=__doc__,
        params={
            "collection": collection_field(collections, "Whose data the job was trained on."),
            "job": job_field("lanner-local-1a2b3c4d-5e6f7a8b-g1-a1"),
        },
        **dag_defaults(Tag.TRAINING),
    ):
        export()
