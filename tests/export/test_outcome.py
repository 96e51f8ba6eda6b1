from __future__ import annotations

import hashlib

from include.export.outcome import content_hash


def test_a_file_has_the_hash_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert content_hash(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_folder_s_hash_follows_names_and_contents_not_where_it_lies(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "variables").mkdir(parents=True)
        (tmp_path / folder / "variables" / "x").write_bytes(b"1")
        (tmp_path / folder / "y").write_bytes(b"2")
    assert content_hash(tmp_path / "one") == content_hash(tmp_path / "two")
    (tmp_path / "two" / "y").rename(tmp_path / "two" / "z")
    assert content_hash(tmp_path / "one") != content_hash(tmp_path / "two")
