"""The labeller that is there already: the collection's newest registered model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from include.dataset.label_map import read_label_map
from include.documents import ExportFormat
from include.labelling.labeller import LOWEST_SCORE, Labeller, Nobody, Proposal
from include.labelling.pool import PoolImage
from include.registry.registered import RegisteredModel, newest_models
from include.scoring.picture import Picture
from include.scoring.predict import Predictor, load_predictor
from include.store import Store

RUN_HERE: tuple[ExportFormat, ...] = ("tflite_fp32", "tflite_fp16", "saved_model")  # by preference: small and quick


class ModelAltered(ValueError):
    """A model's file in the store is not the one that was registered."""


class OwnModel:
    """A trained detector as a labeller.

    Args:
        label_map: class names by id, from 1.
    """

    def __init__(self, name: str, predictor: Predictor, label_map: Mapping[int, str]) -> None:
        self.name = name
        self._predict = predictor
        self._label_map = label_map

    def suggest(self, images: Iterable[PoolImage]) -> Iterator[Sequence[Proposal]]:
        for image in images:
            found = self._predict(Picture(image.read())).above(LOWEST_SCORE)
            corners = found.xywh(image.facts.width, image.facts.height).tolist()
            yield [
                Proposal(self._label_map[class_id], score, x, y, x + width, y + height)
                for class_id, score, (x, y, width, height) in zip(
                    found.classes.tolist(), found.scores.tolist(), corners, strict=True
                )
                if class_id in self._label_map
            ]


@contextmanager
def newest_registered(store: Store, tracking_uri: str, collection: str) -> Iterator[Labeller]:
    """The newest registered model of a collection that can be run here; ``Nobody`` where there is none yet.

    One whose exports were all refused by the gate, or that runs only in its cloud, is passed over for an older one.

    Raises:
        ModelAltered: the store's file has another hash than the registry says.
        RegistryAway: MLflow does not answer.
    """
    for model in newest_models(tracking_uri, collection):
        for format_ in RUN_HERE:
            if format_ in model.exports:
                with _opened(store, model, format_) as labeller:
                    yield labeller
                return
    yield Nobody()


def model_in(folder: Path) -> OwnModel:
    """The model of a job as it lies in its folder; ``ValueError`` if no export that can be run here is there."""
    from include.export.formats import FILE_NAMES

    for format_ in RUN_HERE:
        if (path := folder / "exports" / FILE_NAMES[format_]).exists():
            labels = folder / "trained" / "label_map.pbtxt"
            return OwnModel(folder.name, load_predictor(format_, path), read_label_map(labels.read_text(), str(labels)))
    raise ValueError(
        f"{folder} holds no export that can be run here. Expected the folder of a job, with exports/ and trained/, as "
        "it lies in the store below <collection>/models."
    )


@contextmanager
def _opened(store: Store, model: RegisteredModel, format_: ExportFormat) -> Iterator[OwnModel]:
    from include.export.formats import FILE_NAMES
    from include.export.outcome import content_hash
    from include.results import folder_of

    folder = folder_of(model.collection, model.job)
    path = f"{folder}/exports/{FILE_NAMES[format_]}"
    labels = read_label_map(store.read(f"{folder}/trained/label_map.pbtxt").decode(), f"{folder}/trained")
    with TemporaryDirectory(prefix="lanner-labeller-") as scratch:
        local = store.copy_out(path, Path(scratch) / FILE_NAMES[format_])
        if (found := content_hash(local)) != model.exports[format_]:
            raise ModelAltered(
                f"{path} has the hash {found}, registered as {model.version} was {model.exports[format_]}. It was "
                "altered in the store: restore it from a backup, or export the job again (export_model)."
            )
        yield OwnModel(model.version, load_predictor(format_, local), labels)
