"""The replicas of the network that train together, and what they tell one another.

Every replica sees its part of each batch; sums over all of them make a step what it would be on one device. With one
replica nothing of ``tf.distribute`` is in the way.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from detector_trainer.configuration import Configuration
from detector_trainer.distribution import LOCAL, Found, Task, choose, has_local_tpu
from detector_trainer.errors import BadInput

Sum = Callable[[Any], Any]  # tensors of one replica, nested → their sums over all replicas

logger = logging.getLogger(__name__)


class Replicas:
    """All replicas of a training, of which this process runs some.

    Args:
        strategy: None for the only one.
        task: this process among the workers.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None, task: Task | None = None) -> None:
        self._strategy, self._task = strategy, task or Task()
        self.workers, self.worker = self._task.workers, self._task.number
        self.is_chief = self._task.is_chief
        self.count = 1 if strategy is None else int(strategy.num_replicas_in_sync)

    @classmethod
    def find(cls) -> Replicas:
        """By the environment and the devices of this machine; of several workers it waits for all to be there.

        It comes before anything else is asked of TensorFlow, which could not join other workers afterwards.
        """
        gpus = len(tf.config.list_physical_devices("GPU"))
        found = choose(os.environ, gpus=gpus, has_tpu=has_local_tpu(os.environ))
        replicas = cls(_strategy(found), found.task)
        if replicas.count > 1:
            logger.info(
                "Training on %d replicas (%s), worker %d of %d",
                *(replicas.count, found.strategy, replicas.worker + 1, replicas.workers),
            )
        return replicas

    def share_of(self, configuration: Configuration) -> int:
        """How many images of a batch are for each replica.

        Raises:
            BadInput: they cannot be shared evenly.
        """
        size, count = configuration.batch_size, self.count
        if size % count:
            lower = size // count * count
            near = f"{lower} or {lower + count}" if lower else str(count)
            raise BadInput(
                f"Configuration: batch_size is {size}, the images of one step on all {count} replicas together, "
                f"which cannot share them evenly. Choose {near}, or another machine."
            )
        return size // count

    def scope(self) -> contextlib.AbstractContextManager[object]:
        """In which variables are made that every replica has."""
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()

    @property
    def sum(self) -> Sum | None:
        """Within ``run``: sums over all replicas, also of their gradients; None where there is but one."""
        if self._strategy is None:
            return None
        return lambda tensors: tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)

    def run(self, function: Callable[..., tf.Tensor], *arguments: Any) -> tf.Tensor:
        """Call a function in every replica of this process; what the first returns."""
        if self._strategy is None:
            return function(*arguments)
        return self.first(self._strategy.run(function, arguments))

    def first(self, values: Any) -> Any:
        """What the first replica of this process has of values that every replica has."""
        if self._strategy is None:
            return values
        return tf.nest.map_structure(lambda value: self._strategy.experimental_local_results(value)[0], values)

    def stream(self, batches: tf.data.Dataset) -> Iterator[Any]:
        """Batches for all replicas of this process, out of this process's endless ones for one each."""
        if self._strategy is None:
            return iter(batches)
        endless = batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return iter(self._strategy.distribute_datasets_from_function(lambda _: endless))

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum over all workers, the same in each of them; returns once all have come here.

        What is decided by it is decided alike everywhere: a worker that went on alone would wait for ever.
        """
        if self.workers == 1:
            return list(values)
        return [float(value) for value in self._total(tf.constant(values, tf.float64)).numpy()]

    def from_chief(self, values: Sequence[float]) -> list[float]:
        """The chief's values, in all workers; what the others give is ignored."""
        return self.total(values if self.is_chief else [0.0] * len(values))

    def require_same(self, values: Mapping[str, float]) -> None:
        """Make sure that all workers begin alike.

        Raises:
            BadInput: in all of them, if one has another value than the chief.
        """
        theirs = self.from_chief(list(values.values()))
        pairs = zip(values.items(), theirs, strict=True)
        differing = [f"{name} is {mine:g}, the chief's {chiefs:g}" for (name, mine), chiefs in pairs if mine != chiefs]
        [others] = self.total([bool(differing)])
        if others:
            raise BadInput(
                f"The workers do not begin alike ({'; '.join(differing) or 'another one differs from this'}). All of "
                "them must see the same --data and --output, and starting weights, in storage that they share."
            )

    def wait_for_all(self) -> None:
        self.total([0.0])

    @tf.function(autograph=False, reduce_retracing=True)
    def _total(self, values: tf.Tensor) -> tf.Tensor:
        assert self._strategy is not None

        def in_replica(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            is_first = tf.equal(context.replica_id_in_sync_group % (self.count // self.workers), 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(is_first, values, 0.0))

        return self.first(self._strategy.run(in_replica, (values,)))


def _strategy(found: Found) -> tf.distribute.Strategy | None:
    if found.strategy != "default":
        tf.get_logger().setLevel(logging.WARNING)  # it has a line for every sum in the network
    if found.strategy == "workers":
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            # The training tasks alone: TensorFlow would wait for evaluators and parameter servers, too.
            tf.train.ClusterSpec(dict(found.task.cluster)),
            task_type=found.task.kind,
            task_id=found.task.index,
            num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
            rpc_layer="grpc",
        )
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    if found.strategy == "mirrored":
        return tf.distribute.MirroredStrategy()
    if found.strategy == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=found.tpu)
        if found.tpu != LOCAL:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    return None
