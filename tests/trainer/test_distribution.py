from __future__ import annotations

import json

import pytest

from detector_trainer.distribution import Found, Task, choose
from detector_trainer.errors import BadInput

# As Vertex AI sets it: for one chief and one worker, and with the pools that do not train.
CLUSTER = {"chief": ["cmle-training-workerpool0-0:2222"], "worker": ["cmle-training-workerpool1-0:2222"]}
UNNAMED = {"worker": ["a:1", "b:1"]}
OTHERS = {"ps": ["cmle-training-workerpool2-0:2222"], "evaluator": ["cmle-training-workerpool3-0:2222"]}


def tf_config(cluster: dict[str, list[str]], kind: str = "chief", index: int = 0) -> dict[str, str]:
    described = {"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"}
    return {"TF_CONFIG": json.dumps(described)}


@pytest.mark.parametrize(
    ("environment", "gpus", "has_tpu", "found"),
    [
        ({}, 0, False, Found("default")),
        ({}, 1, False, Found("default")),
        ({}, 4, False, Found("mirrored")),
        ({"TF_CONFIG": ""}, 0, False, Found("default")),
        (tf_config(CLUSTER), 0, False, Found("workers", Task("chief", 0, CLUSTER))),
        (tf_config(CLUSTER, "worker"), 2, False, Found("workers", Task("worker", 0, CLUSTER))),
        (tf_config(CLUSTER | OTHERS, "worker"), 0, False, Found("workers", Task("worker", 0, CLUSTER))),
        (tf_config(UNNAMED, "worker", 1), 0, False, Found("workers", Task("worker", 1, UNNAMED))),
        (tf_config({"chief": ["a:1"]}), 0, False, Found("default", Task("chief", 0, {"chief": ["a:1"]}))),
        (tf_config({"chief": ["a:1"]} | OTHERS), 2, False, Found("mirrored", Task("chief", 0, {"chief": ["a:1"]}))),
        ({}, 0, True, Found("tpu", tpu="local")),
        ({"TPU_NAME": "ours"}, 0, False, Found("tpu", tpu="ours")),
        ({"TPU_NAME": "local"}, 0, True, Found("tpu", tpu="local")),
        ({"KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS": "grpc://10.0.0.2:8470"}, 1, False, Found("tpu")),
        (tf_config({"chief": ["a:1"]}), 0, True, Found("tpu", Task("chief", 0, {"chief": ["a:1"]}), "local")),
    ],
)
def test_what_is_found_decides(environment: dict[str, str], gpus: int, has_tpu: bool, found: Found) -> None:
    assert choose(environment, gpus=gpus, has_tpu=has_tpu) == found


def test_one_task_writes_and_all_have_numbers() -> None:
    named = [Task.read(tf_config(CLUSTER | OTHERS, kind)) for kind in ("chief", "worker", "evaluator")]
    assert [(task.number, task.workers, task.is_chief) for task in named[:2]] == [(0, 2, True), (1, 2, False)]
    assert not named[2].is_chief
    unnamed = [Task.read(tf_config({"worker": ["a:1", "b:1", "c:1"]}, "worker", index)) for index in range(3)]
    assert [(task.number, task.is_chief) for task in unnamed] == [(0, True), (1, False), (2, False)]
    assert (Task.read({}).number, Task.read({}).workers, Task.read({}).is_chief) == (0, 1, True)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TF_CONFIG": "{"}, "expected JSON with cluster and task. It is '{'"),
        ({"TF_CONFIG": "[]"}, "expected JSON with cluster and task"),
        ({"TF_CONFIG": '{"cluster": {"chief": 3}}'}, "expected JSON with cluster and task"),
        (tf_config(CLUSTER, "master"), "its task is 'master'; expected chief, worker, ps, evaluator"),
        (tf_config(CLUSTER, "worker", 1), "there is no worker 1 in its cluster"),
        (tf_config({"worker": ["a:1", "b:1"]}, "chief"), "there is no chief in its cluster"),
        (tf_config({"chief": ["a:1", "b:1"]}), "more than one chief"),
        (tf_config(CLUSTER | OTHERS, "ps"), "this process is 'ps', which takes no part in training"),
        (tf_config(CLUSTER, "evaluator"), "this process is 'evaluator'"),
    ],
)
def test_what_cannot_be_understood_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        choose(environment, gpus=0, has_tpu=False)
    assert said in str(refused.value)
