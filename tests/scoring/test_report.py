from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from include.documents import (
    BatchDocument,
    Category,
    Count,
    DatasetDocument,
    ExportResult,
    Metrics,
    SideDocument,
    State,
    TrainingSummary,
)
from include.scoring.detections import Detections
from include.scoring.drawing import FALSE, FOUND, LONGEST_SIDE, MISSED, draw
from include.scoring.holdout import HoldOutImage
from include.scoring.misses import Verdict, judge
from include.scoring.report import Report, render_report

HOSTILE = "</script><img src=x onerror=alert(1)>"


def verdict() -> Verdict:
    """One box found, one missed, one seen where there is none, in a grey image."""
    file = io.BytesIO()
    Image.new("RGB", (200, 100), "grey").save(file, "png")
    image = HoldOutImage(
        id=1,
        file_name=f"{HOSTILE}.png",
        width=200,
        height=100,
        encoded=file.getvalue(),
        boxes=np.array([[10.0, 30.0, 40.0, 40.0], [80.0, 30.0, 40.0, 40.0]]),
        classes=np.array([1, 1]),
    )
    boxes = np.array([[0.3, 0.05, 0.7, 0.25], [0.3, 0.75, 0.7, 0.95]], np.float32)
    return judge(image, Detections(boxes, np.array([1, 1]), np.array([0.9, 0.8], np.float32)))


def report(**changes) -> Report:
    side = SideDocument(images=4, boxes=8, classes={HOSTILE: 8}, shards=(), coco="c.json")
    dataset = DatasetDocument(
        collection="toy",
        key="1",
        batches=(),
        label_map=(Category(id=1, name=HOSTILE),),
        label_map_pbtxt="l",
        assignments="a",
        sides={"train": side, "validation": side, "holdout": side},
    )
    batch = BatchDocument(
        collection="toy",
        key="1",
        source="s",
        format="voc",
        images=Count(found=14, used=12, quarantined=2),
        boxes=Count(found=24, used=24, quarantined=0),
        classes={HOSTILE: 24},
        faults={"truncated_image": 2},
        manifest="m",
        quarantine="q",
    )
    return Report(
        **{
            "collection": "toy",
            "key": "1",
            "target": "local",
            "state": State.SUCCEEDED,
            "dataset": dataset,
            "batches": [batch],
        }
        | changes
    )


def full_report() -> Report:
    figures = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")
    recalls = ("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large")
    ap = {HOSTILE: 0.25}
    metrics = Metrics.model_validate({**dict.fromkeys((*figures, *recalls), 0.5), "per_class": ap, "per_class50": ap})
    export = ExportResult(
        format="tflite_int8",
        path="p",
        sha256="0",
        bytes=1_500_000,
        metrics=metrics,
        latency_ms=4.25,
        refused=(HOSTILE,),
    )
    return report(
        message=HOSTILE,
        job=HOSTILE,
        configuration={"weights": HOSTILE, "augmentation": {"mirror": False}},
        training=TrainingSummary(
            steps=20, best_step=10, validation_mAP=0.4, validation_mAP50=0.7, seconds=83, warnings=(HOSTILE,)
        ),
        history=[{"step": 10, "loss": 1.5}, {"step": 10, "validation_mAP": 0.4, "validation_mAP50": 0.7, "best": True}],
        exports=[export],
        precision={HOSTILE: (1.0,) * 101},
        worst=[verdict()],
    )


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(full_report())


class Outside(HTMLParser):
    """Collects what would be fetched or run: addresses, event handlers, scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in {"src", "href", "srcset"}]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]


def test_the_page_needs_nothing_else(page):
    outside = Outside()
    outside.feed(page)
    assert outside.addresses and all(address.startswith("data:image/jpeg;base64,") for address in outside.addresses)
    assert not {"link", "iframe", "object"} & set(outside.tags)
    assert "@import" not in page.partition("<script>")[0]
    assert len(page) < 6_000_000


def test_names_are_shown_never_run(page):
    outside = Outside()
    outside.feed(page)
    assert not outside.handlers
    assert HOSTILE not in page
    assert outside.tags.count("img") == 1


def test_plotly_s_script_is_there_once(page):
    assert len(re.findall(r"plotly\.js v\d", page)) == 1
    assert page.count('class="plotly-graph-div"') == 2


def test_figures_are_shown(page):
    text = re.sub(r"\s+", " ", re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    for expected in (
        "1.5 MB",
        "4.2 ms",
        "0.500",
        "0.250",
        "1 min 23 s",
        "14 images found, 2 quarantined",
        "truncated_image",
    ):
        assert expected in text
    assert "1 of 2 missed, 1 false" in text
    assert "augmentation.mirror False" in text


def test_a_failed_training_has_a_report_too():
    page = render_report(report(state=State.FAILED, message="TRAINER_ERROR: the loss is not a number"))
    assert "FAILED" in page and "the loss is not a number" in page
    assert "Exports" not in page
    assert len(page) < 100_000, "no curves, no script"


def test_found_missed_and_false_boxes_have_their_colours():
    picture = Image.open(io.BytesIO(draw(verdict(), {1: "cat"})))
    assert picture.size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    scale = LONGEST_SIDE / 200
    for corner_x, colour in ((10, FOUND), (80, MISSED), (150, FALSE)):
        expected = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        left_edge = np.asarray(picture)[round(31 * scale) : round(69 * scale), round(corner_x * scale)].astype(int)
        assert np.abs(left_edge - expected).sum(axis=1).min() < 60, f"no {colour} at x = {corner_x}"
