"""Real sets, with what real sets have. Skipped where they are not beside the checkout."""

from pathlib import Path

from include.dataset.near_duplicates import RADIUS
from include.dataset.sample import write_sample
from include.documents import SIDES
from include.store import Store
from tests.dataset.folders import SHARED, Checked, build, needs_shared


def near_pairs(checked: Checked) -> set[frozenset[str]]:
    images = [(image.file.rpartition("/")[2], int(image.dhash, 16)) for image in checked.images]
    return {
        frozenset((name, other))
        for index, (name, dhash) in enumerate(images)
        for other, other_hash in images[:index]
        if (dhash ^ other_hash).bit_count() <= RADIUS
    }


@needs_shared
def test_raccoon(store: Store) -> None:
    checked = Checked(SHARED / "raccoon", store)
    checked.assert_conserved()
    assert checked.document.images.found == 200 and checked.document.boxes.found == 217
    assert checked.codes == ["duplicate_image"] * 4
    assert near_pairs(checked) == {  # each looked at: the same photograph at another size, or with a caption
        frozenset(("raccoon-50.jpg", "raccoon-52.jpg")),
        frozenset(("raccoon-21.jpg", "raccoon-45.jpg")),
        frozenset(("raccoon-51.jpg", "raccoon-85.jpg")),
    }
    dataset = build(store, "b1")
    assert sum(dataset.sides[side].images for side in SIDES) == 196
    assert dataset.warnings == ()


@needs_shared
def test_microcontroller(store: Store) -> None:
    checked = Checked(SHARED / "microcontroller", store, split="given")
    checked.assert_conserved()
    assert checked.document.images.used == 149 and checked.document.boxes.used == 177
    assert near_pairs(checked) == set()
    dataset = build(store, "b1")
    assert dataset.sides["holdout"].images == 7
    assert len(dataset.label_map) == 4


def test_the_samples_pages_are_no_near_duplicates(tmp_path: Path, store: Store) -> None:
    write_sample(tmp_path / "digits", images=200)
    checked = Checked(tmp_path / "digits", store)
    assert checked.faults == [] and checked.document.notes == ()
    assert near_pairs(checked) == set()
    assert build(store, "b1").warnings == ()
