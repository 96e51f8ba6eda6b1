"""Archives are untrusted: what is sound is unpacked, the rest is in quarantine, and nothing leaves the folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.dataset.annotation import Annotation
from include.dataset.archive import LIMITS, ArchiveError, unpack
from include.dataset.voc import write_annotation
from include.store import Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, encode

SOUND = {
    "set/a.jpg": encode(1),
    "set/a.xml": write_annotation(Annotation("", "a.jpg", WIDTH, HEIGHT, (CAT,))),
}
XML = SOUND["set/a.xml"]
TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*SOUND.items(), *members]:
            archive.writestr(name, data)
    return path


def tar_member(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, link
    return info


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, data in [*((tar_member(name), data) for name, data in SOUND.items()), *members]:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def checked(archive: Path, store: Store) -> Checked:
    """The archive's batch, with everything in it counted, and nothing beside its folder."""
    into = archive.parent / "unpacked"
    batch = Checked(unpack(archive, into, say=print), store)
    batch.assert_conserved()
    assert [image.file for image in batch.images] == ["set/a.jpg"]
    (folder,) = into.iterdir()
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert {path.name for path in archive.parent.iterdir()} <= {archive.name, "unpacked", "store"}
    return batch


@pytest.mark.parametrize("suffix", [".zip", *TAR_MODES])
def test_unpacked_once_and_whole(tmp_path: Path, store: Store, suffix: str) -> None:
    archive = tmp_path / f"pets{suffix}"
    write_zip(archive) if suffix == ".zip" else write_tar(archive, mode=TAR_MODES[suffix])
    assert checked(archive, store).faults == []
    folder = unpack(archive, tmp_path / "unpacked")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    said: list[str] = []
    assert unpack(archive, tmp_path / "unpacked", say=said.append) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before and said == []


@pytest.mark.parametrize("name", ["/etc/b.jpg", "../b.jpg", "set/../../b.jpg", "..\\b.jpg", "C:\\b.jpg"])
def test_paths_that_leave_the_folder(tmp_path: Path, store: Store, name: str) -> None:
    for archive in (
        write_zip(tmp_path / "a.zip", (name, encode(2))),
        write_tar(tmp_path / "a.zip", (tar_member(name), encode(2))),
    ):
        batch = checked(archive, store)
        assert batch.codes == ["image_without_annotation", "leaves_source"]
        fault = next(fault for fault in batch.faults if fault["code"] == "leaves_source")
        assert fault["value"].replace("\\\\", "\\") == name and fault["images"] == 1
        assert batch.document.images.found == 2
        shutil.rmtree(tmp_path / "unpacked")


def zip_link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret.jpg", "a.jpg"])
def test_links(tmp_path: Path, store: Store, target: str) -> None:
    batch = checked(write_zip(tmp_path / "a.zip", zip_link("set/b.jpg", target), ("set/b.xml", XML)), store)
    assert batch.codes == ["link_in_archive"]
    assert (batch.faults[0]["file"], batch.faults[0]["images"], batch.faults[0]["boxes"]) == ("set/b.jpg", 1, 1)


@pytest.mark.parametrize("type", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_tar_files_and_what_is_reached_through_them(tmp_path: Path, store: Store, type: bytes) -> None:
    batch = checked(
        write_tar(
            tmp_path / "a.tar",
            (tar_member("set/b.jpg", type, "../../secret.jpg"), b""),
            (tar_member("set/b.xml"), XML),
            (tar_member("door", type, "/tmp"), b""),
            (tar_member("door/c.jpg"), encode(3)),
        ),
        store,
    )
    assert batch.codes == ["image_without_annotation", "link_in_archive", "link_in_archive"]
    assert not Path("/tmp/c.jpg").exists()


@pytest.mark.parametrize("type", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes(tmp_path: Path, store: Store, type: bytes) -> None:
    batch = checked(write_tar(tmp_path / "a.tar", (tar_member("set/b.jpg", type), b"")), store)
    assert "unreadable_file" in batch.codes and batch.document.images.found == 2


def test_a_name_that_comes_twice(tmp_path: Path, store: Store) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = write_zip(tmp_path / "a.zip", ("set/a.jpg", encode(2)), ("set/a.jpg", encode(3)))
    batch = checked(archive, store)
    assert batch.codes.count("name_twice") == 2 and batch.document.images.found == 3
    assert batch.images[0].sha256 == hashlib.sha256(encode(1)).hexdigest()  # the first is kept


def test_a_link_and_a_sound_file_of_one_name(tmp_path: Path, store: Store) -> None:
    link = (tar_member("set/c.jpg", tarfile.SYMTYPE, "a.jpg"), b"")
    archive = tmp_path / "a.tar"
    write_tar(archive, link, (tar_member("set/c.jpg"), encode(3)), (tar_member("set/c.xml"), XML))
    batch = Checked(unpack(archive, tmp_path / "unpacked"), store)
    batch.assert_conserved()
    assert [image.file for image in batch.images] == ["set/a.jpg", "set/c.jpg"]
    assert "link_in_archive" in batch.codes and batch.document.images.found == 3


def test_a_zip_bomb_is_set_aside_without_being_unpacked(tmp_path: Path, store: Store) -> None:
    archive = write_zip(tmp_path / "a.zip", ("set/b.bmp", bytes(100 << 20)), ("set/c.jpg", encode(2)))
    assert archive.stat().st_size < 1 << 20
    batch = checked(archive, store)
    assert "decompression_bomb" in batch.codes
    assert sum(path.stat().st_size for path in (tmp_path / "unpacked").rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_tar_bomb_is_refused(tmp_path: Path, mode: str) -> None:
    archive = write_tar(tmp_path / "a.tar.x", (tar_member("b.bmp"), bytes(30 << 20)), mode=mode)
    with pytest.raises(ArchiveError, match=r"grows to more than .* unpack it by hand"):
        unpack(archive, tmp_path / "unpacked", limits=LIMITS._replace(free_bytes=1 << 20))
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    write_tar(archive)
    info = tar_member("pax", tarfile.XHDTYPE)
    info.size = 2 << 30
    archive.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + archive.read_bytes())
    with pytest.raises(ArchiveError, match="a header claims"):
        unpack(archive, tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("limits", "match"), [(LIMITS._replace(members=1), "members"), (LIMITS._replace(bytes=10), "GiB")]
)
def test_too_much(tmp_path: Path, limits: object, match: str) -> None:
    with pytest.raises(ArchiveError, match=match):
        unpack(write_zip(tmp_path / "a.zip"), tmp_path / "unpacked", limits=limits)  # type: ignore[arg-type]


def test_a_member_that_is_too_large_or_whose_name_is_too_long(tmp_path: Path, store: Store) -> None:
    archive = write_zip(tmp_path / "a.zip", (f"set/{'b' * 300}.jpg", encode(2)), ("set/c.jpg", os.urandom(90_000)))
    batch = Checked(unpack(archive, tmp_path / "unpacked", limits=LIMITS._replace(member_bytes=80_000)), store)
    batch.assert_conserved()
    assert {"bad_file_name", "file_too_large"} <= set(batch.codes) and batch.document.images.found == 3


def test_one_damaged_or_encrypted_member_costs_only_itself(tmp_path: Path, store: Store) -> None:
    archive = write_zip(tmp_path / "a.zip", ("set/b.jpg", b"x" * 5000), ("set/c.jpg", b"y" * 5000))
    data = bytearray(archive.read_bytes())
    at = data.rfind(b"set/c.jpg", 0, data.index(b"PK\x01\x02")) + len("set/c.jpg") + 2
    data[at] ^= 0xFF
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = next(i for i in range(len(data)) if data.startswith(signature, i) and b"set/b.jpg" in data[i : i + 60])
        data[start + offset] |= 1  # encrypted
    archive.write_bytes(data)
    batch = checked(archive, store)
    assert batch.codes.count("unreadable_file") == 2 and batch.document.images.found == 3


def cut(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-400])


def not_one(archive: Path) -> None:
    archive.write_text("<html>Please log in</html>")


@pytest.mark.parametrize("damage", [cut, not_one])
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz"])
def test_what_is_no_whole_archive(tmp_path: Path, suffix: str, damage: Callable[[Path], None]) -> None:
    archive = tmp_path / f"a{suffix}"
    write_zip(archive) if suffix == ".zip" else write_tar(archive, mode=TAR_MODES[suffix])
    damage(archive)
    with pytest.raises(ArchiveError, match=r"a\.(zip|tar\...) cannot be unpacked: .*Expected a whole \.zip"):
        unpack(archive, tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=0))
    with pytest.raises(ArchiveError, match="no space"):
        unpack(write_zip(tmp_path / "a.zip"), tmp_path / "unpacked")


def test_only_the_folder_that_is_asked_for_and_nothing_hidden(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("other/b.jpg", b"x"), ("set/._a.jpg", b"x"), ("__MACOSX/set/a.jpg", b"x"))
    folder = unpack(archive, tmp_path / "unpacked", inside="set")
    assert sorted(path.name for path in folder.rglob("*")) == ["a.jpg", "a.xml"]
    whole = unpack(archive, tmp_path / "unpacked")
    assert sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()) == [
        "other/b.jpg",
        "set/a.jpg",
        "set/a.xml",
    ]
