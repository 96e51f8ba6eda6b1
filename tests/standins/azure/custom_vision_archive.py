"""The zip archive of an export: model, ``labels.txt``, ``metadata_properties.json`` and ``cvexport.manifest``.

What lies in them, and what the two JSON files say: https://cleverstuff.ai/article/custom-vision-compact-models (of a
classifier; the values for detection are from memory, not verified).
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.standins.azure.custom_vision_store import now

NO_CORE_ML = """This archive would hold model.mlmodel.

It is from a rehearsal on a machine that cannot convert to Core ML (that takes Apple's coremltools), so there is no
model in it: only what lies beside the model in an archive of Custom Vision. Nothing here may be shipped.
"""


def write_archive(iteration: Path, platform: str, flavor: str | None, path: Path) -> None:
    """Write an archive of a trained iteration.

    Args:
        iteration: its folder, with ``model/model.pb`` and ``model/model.tflite``.
        platform: ``TensorFlow`` or ``CoreML``.
        flavor: None or ``TensorFlowNormal`` for the frozen graph, or ``TensorFlowLite``.
    """
    tags = json.loads((iteration / "plan.json").read_text())["tags"]
    size = json.loads((iteration / "output" / "configuration.json").read_text())["input_size"]
    model = {"CoreML": "model.mlmodel"}.get(platform, "model.tflite" if flavor == "TensorFlowLite" else "model.pb")
    manifest = {
        "DomainType": "ObjectDetection",
        "Platform": platform,
        "Flavor": flavor,
        "ExporterVersion": "2.0",
        "ExportedDate": now(),
        "IterationId": iteration.name,
        "ModelFileName": model,
        "LabelFileName": "labels.txt",
        "MetadataPropsFileName": "metadata_properties.json",
        "SchemaVersion": "1.0",
    }
    temporary = path.with_name(f".{path.name}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cvexport.manifest", json.dumps(manifest, indent=2))
        archive.writestr("labels.txt", "\n".join(tag["name"] for tag in tags))
        archive.writestr("metadata_properties.json", json.dumps(_properties(size), indent=4))
        if platform == "CoreML":
            archive.writestr("NO_MODEL.txt", NO_CORE_ML)
        else:
            archive.write(iteration / "model" / model, model)
    temporary.replace(path)


def _properties(size: int) -> dict[str, str]:
    return {
        "CustomVision.Metadata.AdditionalModelInfo": "",
        "CustomVision.Metadata.Version": "1.2",
        "CustomVision.Postprocess.Method": "SSD",
        "CustomVision.Postprocess.Yolo.Biases": "[]",
        "CustomVision.Postprocess.Yolo.NmsThreshold": "0.0",
        "CustomVision.Preprocess.CropHeight": "0",
        "CustomVision.Preprocess.CropMethod": "NoCrop",
        "CustomVision.Preprocess.CropWidth": "0",
        "CustomVision.Preprocess.MaxDimension": "0",
        "CustomVision.Preprocess.MaxScale": "0.0",
        "CustomVision.Preprocess.MinDimension": "0",
        "CustomVision.Preprocess.MinScale": "0.0",
        "CustomVision.Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]",
        "CustomVision.Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",
        "CustomVision.Preprocess.ResizeMethod": "Stretch",
        "CustomVision.Preprocess.TargetHeight": str(size),
        "CustomVision.Preprocess.TargetWidth": str(size),
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
    }
