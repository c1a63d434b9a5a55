"""Whatever is wrong with a bundle, it is refused with a sentence that says what to do."""

import io
import json
import shutil
import subprocess
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from engine import bundle as bundle_module
from engine import bundle_files
from engine.bundle import Bundle, verify, write_sums
from engine.errors import BundleCorrupt, BundleFormat, BundleNotFound

FILES = (
    "bundle.json",
    "flow.onnx",
    "flow_head.onnx",
    "golden.npz",
    "rgb.onnx",
    "rgb_head.onnx",
    "SHA256SUMS",
)


def zip_of(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
    return path


def test_a_folder_opens_whole(bundle_folder, manifest):
    bundle = Bundle.open(bundle_folder)
    assert bundle.manifest == manifest
    assert bundle.graph("rgb_head") == b"the graph rgb_head"
    assert bundle.golden()["window_probabilities"].shape == (17, 3)
    assert sorted(verify(bundle_folder)) == sorted(set(FILES) - {"SHA256SUMS"})


def test_a_zip_is_the_same_bundle(bundle_folder, tmp_path):
    folder = Bundle.open(str(bundle_folder))
    for prefix in ("", "tiny/"):
        zipped = Bundle.open(zip_of(bundle_folder, tmp_path / "b.zip", prefix))
        assert zipped.sha256 == folder.sha256
        assert zipped.manifest == folder.manifest
        assert zipped.graph("flow") == folder.graph("flow")


def test_the_sums_are_those_that_sha256sum_checks(bundle_folder):
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(command, cwd=bundle_folder, capture_output=True).returncode == 0


def test_a_built_in_bundle_opens_by_its_name(bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_module, "BUILT_IN", tmp_path)
    assert Bundle.open("tiny").path == bundle_folder
    with pytest.raises(BundleNotFound, match=r"no bundle 'huge'.*built-in name \(tiny\)"):
        Bundle.open("huge")


def test_the_graph_of_another_precision_is_its_own_file_or_a_sentence(bundle_folder):
    assert Bundle.open(bundle_folder).graph("rgb", "bf16") == b"the graph rgb"
    with pytest.raises(BundleFormat, match=r"has no rgb.int8.onnx; use --precision fp32"):
        Bundle.open(bundle_folder).graph("rgb", "int8")
    (bundle_folder / "rgb.int8.onnx").write_bytes(b"eight bits")
    write_sums(bundle_folder)
    assert Bundle.open(bundle_folder).graph("rgb", "int8") == b"eight bits"


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_any_file_is_found(bundle_folder, name):
    file = bundle_folder / name
    whole = file.read_bytes()
    for place in {0, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            with pytest.raises(BundleCorrupt, match=r"again"):
                Bundle.open(bundle_folder)


def test_damage_after_opening_is_found_when_it_is_read(bundle_folder):
    bundle = Bundle.open(bundle_folder)
    (bundle_folder / "rgb.onnx").write_bytes(b"another graph")
    with pytest.raises(BundleCorrupt, match=r"rgb.onnx is damaged"):
        bundle.graph("rgb")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle_folder, name):
    (bundle_folder / name).unlink()
    with pytest.raises(BundleCorrupt, match=name):
        Bundle.open(bundle_folder)


def test_an_unlisted_file_is_named(bundle_folder):
    (bundle_folder / "extra.onnx").write_bytes(b"")
    with pytest.raises(BundleCorrupt, match=r"'extra.onnx', which SHA256SUMS doesn't list; remove"):
        Bundle.open(bundle_folder)


def test_a_folder_where_a_file_should_be_is_named(bundle_folder):
    (bundle_folder / "rgb.onnx").unlink()
    (bundle_folder / "rgb.onnx").mkdir()
    with pytest.raises(BundleCorrupt, match=r"rgb.onnx is no file"):
        Bundle.open(bundle_folder)


def test_whole_but_without_a_graph_is_no_bundle(bundle_folder):
    (bundle_folder / "flow_head.onnx").unlink()
    write_sums(bundle_folder)
    with pytest.raises(BundleFormat, match=r"has no flow_head.onnx; export the bundle again"):
        Bundle.open(bundle_folder)


def test_an_empty_folder_is_a_sentence(tmp_path):
    with pytest.raises(BundleCorrupt, match=r"is empty; copy the bundle again"):
        Bundle.open(tmp_path)


def test_a_path_that_leads_nowhere_is_a_sentence(tmp_path):
    with pytest.raises(BundleNotFound, match=r"there is no bundle"):
        Bundle.open(tmp_path / "nothing")


def test_some_other_file_is_no_bundle(tmp_path):
    (tmp_path / "notes.txt").write_text("not a bundle")
    with pytest.raises(BundleNotFound, match=r"give a folder or a .zip"):
        Bundle.open(tmp_path / "notes.txt")
    (tmp_path / "notes.zip").write_text("not a zip")
    with pytest.raises(BundleCorrupt, match=r"damaged or no .zip"):
        Bundle.open(tmp_path / "notes.zip")


def test_a_damaged_zip_never_opens_as_another_bundle(bundle_folder, tmp_path):
    whole = zip_of(bundle_folder, tmp_path / "b.zip").read_bytes()
    sha256 = Bundle.open(bundle_folder).sha256
    damaged_zip = tmp_path / "damaged.zip"
    for place in range(0, len(whole), 41):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        damaged_zip.write_bytes(damaged)
        with suppress(BundleCorrupt, BundleNotFound):
            # A flipped bit in a file's date, say, does no harm.
            assert Bundle.open(damaged_zip).sha256 == sha256


@pytest.mark.parametrize("name", ["../rgb.onnx", "/rgb.onnx", "a/b/rgb.onnx", "other/rgb.onnx"])
def test_a_zip_that_reaches_outside_is_refused(bundle_folder, tmp_path, name):
    path = zip_of(bundle_folder, tmp_path / "b.zip", "tiny/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"elsewhere")
    with pytest.raises(BundleCorrupt, match=r"outside one folder"):
        Bundle.open(path)


def test_a_zip_that_would_fill_the_disk_is_refused_unread(bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_files, "LARGEST_BYTES", 2**20)
    path = zip_of(bundle_folder, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**20))
    with pytest.raises(BundleCorrupt, match=r"would unpack to over"):
        Bundle.open(path)


def test_a_zip_with_a_file_twice_is_refused(bundle_folder, tmp_path):
    path = zip_of(bundle_folder, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match=r"Duplicate"):
        archive.writestr("rgb.onnx", b"second")
    with pytest.raises(BundleCorrupt, match=r"holds a file twice"):
        Bundle.open(path)


def test_golden_numbers_of_another_shape_are_named(bundle_folder):
    golden = Bundle.open(bundle_folder).golden()
    without_flow = {name: array for name, array in golden.items() if name != "flow_input"}
    for changed, said in (
        (golden | {"rgb_features": np.zeros((2, 7))}, r"rgb_features has shape 2x7 .* means 2x6"),
        (golden | {"window_flow": np.zeros((9, 6))}, "window_flow has shape 9x6 .* means 17x6"),
        (golden | {"rgb_input": np.zeros((0, 8, 8, 3))}, "rgb_input has shape 0x8x8x3"),
        (without_flow, "golden.npz has no flow_input"),
    ):
        np.savez(bundle_folder / "golden.npz", **changed)
        write_sums(bundle_folder)
        with pytest.raises(BundleFormat, match=said):
            Bundle.open(bundle_folder).golden()


def test_golden_numbers_never_run_code(bundle_folder):
    archive = io.BytesIO()
    np.savez(archive, rgb_input=np.array([object()], dtype=object))
    (bundle_folder / "golden.npz").write_bytes(archive.getvalue())
    write_sums(bundle_folder)
    with pytest.raises(BundleFormat, match=r"golden.npz can't be read"):
        Bundle.open(bundle_folder).golden()


def test_a_wrong_manifest_is_named_by_the_bundle(bundle_folder):
    written = json.loads((bundle_folder / "bundle.json").read_text()) | {"segments": -3}
    (bundle_folder / "bundle.json").write_text(json.dumps(written))
    write_sums(bundle_folder)
    with pytest.raises(BundleFormat, match=r"\$.segments"):
        Bundle.open(bundle_folder)


def test_copies_are_equal_and_changes_are_not(bundle_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle_folder, copy)
    assert Bundle.open(copy).sha256 == Bundle.open(bundle_folder).sha256
    (copy / "rgb.onnx").write_bytes(b"retrained")
    write_sums(copy)
    assert Bundle.open(copy).sha256 != Bundle.open(bundle_folder).sha256
