"""Run by ``benches.coco`` in the environment that has supervision: convert VOC to COCO, print the CPU seconds."""

import sys
import time


def convert(images: str, annotations: str, output: str) -> float:
    """CPU seconds that the conversion took; importing is not counted."""
    import supervision

    start = time.process_time()
    dataset = supervision.DetectionDataset.from_pascal_voc(images, annotations)
    dataset.as_coco(annotations_path=output)
    return time.process_time() - start


if __name__ == "__main__":
    print(convert(*sys.argv[1:]))
