"""The bundle: what training hands to the engine. A folder, or one .zip of it, verified when opened.

    bundle.json                    the manifest
    rgb.onnx, flow.onnx            the CNNs: frames -> features, attention
    rgb_head.onnx, flow_head.onnx  the lane step of either stream
    *.PRECISION.onnx               optional graphs of other precisions
    golden.npz                     inputs and fp32 outputs that a compiled graph must reproduce
    SHA256SUMS                     of every other file, as `sha256sum -c` reads it

Nothing may be missing, and nothing may be there that isn't listed.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import AnyArray
from engine.bundle_files import BundleFiles, open_files
from engine.errors import BundleCorrupt, BundleFormat, BundleNotFound
from engine.manifest import Accuracy, Calibration, FlowEntry, Manifest

__all__ = ["Accuracy", "Bundle", "Calibration", "FlowEntry", "Manifest", "verify", "write_sums"]

SUMS = "SHA256SUMS"
STREAMS = ("rgb", "flow")  # the graphs that a precision is about: heads are fp32 always
GRAPHS = (*STREAMS, "rgb_head", "flow_head")
BUILT_IN = Path(__file__).parent / "bundles"

_NEEDED = ("bundle.json", *(f"{graph}.onnx" for graph in GRAPHS), "golden.npz")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)")
# Precisions that OpenVINO derives from the fp32 graph while it compiles.
_COMPILED = ("fp32", "bf16")
_AGAIN = "copy the bundle again, or export it again"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. sha256 (of the text of SHA256SUMS) names these very bytes."""

    path: Path
    manifest: Manifest
    sha256: str
    _files: BundleFiles
    _sums: dict[str, str]

    @classmethod
    def open(cls, name_or_path: str | Path) -> Bundle:
        """Open a built-in bundle by name, else a folder or a .zip by path, and verify every file.

        A bare name of a built-in bundle wins over a folder of that name: write ./NAME for that.
        Raises BundleNotFound, BundleCorrupt or BundleFormat.
        """
        path = _locate(name_or_path)
        files = open_files(path)
        sums, sha256 = _verified(files)
        for name in _NEEDED:
            if name not in sums:
                raise BundleFormat(f"{path} has no {name}; export the bundle again")
        manifest = Manifest.decode(_read(files, sums, "bundle.json"))
        return cls(path, manifest, sha256, files, sums)

    def graph(self, name: str, precision: str = "fp32") -> bytes:
        """The ONNX text of one of GRAPHS; where it has no file of its own, bf16's is fp32's.

        Raises BundleFormat for a precision that the bundle doesn't hold.
        """
        own = f"{name}.{precision}.onnx"
        if own in self._sums:
            return _read(self._files, self._sums, own)
        if precision not in _COMPILED:
            raise BundleFormat(f"{self.path} has no {own}; use --precision fp32")
        return _read(self._files, self._sums, f"{name}.onnx")

    def offers(self, precision: str) -> bool:
        """Whether the CNNs can be had in `precision`: it has a tolerance, and graphs."""
        known = self.holds(precision) or precision in _COMPILED
        return precision in self.manifest.tolerance and known

    def holds(self, precision: str) -> bool:
        """Whether it has graphs of the CNNs that are written in `precision`."""
        return all(f"{name}.{precision}.onnx" in self._sums for name in STREAMS)

    def contents(self) -> dict[str, bytes]:
        """Every file but SHA256SUMS by name: for a copy that is to differ."""
        return {name: _read(self._files, self._sums, name) for name in self._sums}

    def golden(self) -> dict[str, AnyArray]:
        """The arrays of golden.npz by name, their shapes checked against the manifest."""
        text = _read(self._files, self._sums, "golden.npz")
        try:
            with np.load(io.BytesIO(text), allow_pickle=False) as archive:
                golden = {name: archive[name] for name in archive.files}
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise BundleFormat(
                f"golden.npz can't be read ({error}); export the bundle again"
            ) from error
        _check_golden(golden, self.manifest)
        return golden


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS for every other file in `folder`: the last step of an export."""
    names = (file.name for file in folder.iterdir() if file.name != SUMS)
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / SUMS).write_bytes(_sums_text(sums))


def verify(path: Path) -> dict[str, str]:
    """Check every file of a folder or .zip against SHA256SUMS; returns the sums by name.

    Raises BundleNotFound or BundleCorrupt.
    """
    return _verified(open_files(path))[0]


def _locate(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    built_in = BUILT_IN / path.name
    if str(name_or_path) == path.name and (built_in / SUMS).is_file():
        return built_in
    if not path.exists():
        names = sorted(sums.parent.name for sums in BUILT_IN.glob(f"*/{SUMS}"))
        raise BundleNotFound(
            f"there is no bundle '{name_or_path}'; give a folder, a .zip, or a built-in name "
            f"({', '.join(names) or 'none here'})"
        )
    return path


def _verified(files: BundleFiles) -> tuple[dict[str, str], str]:
    """The sums by name, and the hash of their text."""
    there = set(files.names())
    if not there:
        raise BundleCorrupt(f"{files.path} is empty; {_AGAIN}")
    if SUMS not in there:
        raise BundleCorrupt(f"{files.path} has no {SUMS}: it is no bundle, or not whole; {_AGAIN}")
    text = files.read(SUMS)
    sums = _parse_sums(text, files.path)
    if missing := set(sums) - there:
        raise BundleCorrupt(f"{files.path} lacks {min(missing)}, which {SUMS} lists; {_AGAIN}")
    if extra := there - set(sums) - {SUMS}:
        raise BundleCorrupt(
            f"{files.path} holds {min(extra)!r}, which {SUMS} doesn't list; remove it, or {_AGAIN}"
        )
    for name in sums:
        _read(files, sums, name)
    return sums, hashlib.sha256(text).hexdigest()


def _read(files: BundleFiles, sums: dict[str, str], name: str) -> bytes:
    """Every read is verified, so what runs is what was checked, whatever happened in between."""
    text = files.read(name)
    if hashlib.sha256(text).hexdigest() != sums[name]:
        raise BundleCorrupt(f"{files.path}: {name} is damaged (its sum is wrong); {_AGAIN}")
    return text


def _sums_text(sums: dict[str, str]) -> bytes:
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode("ascii")


def _parse_sums(text: bytes, path: Path) -> dict[str, str]:
    matches = [_SUM_LINE.fullmatch(line) for line in text.decode("latin-1").split("\n")]
    sums = {match[2]: match[1] for match in matches if match}
    # Only the very text that write_sums writes: any flipped byte shows.
    if not sums or _sums_text(sums) != text:
        raise BundleCorrupt(f"{path}: {SUMS} is damaged; {_AGAIN}")
    return sums


def _check_golden(golden: dict[str, AnyArray], manifest: Manifest) -> None:
    size, flow_size = manifest.input_size, manifest.flow_size
    width, channels = manifest.feature_width, manifest.flow_channels
    shapes: dict[str, tuple[int | str, ...]] = {  # a letter: any number, but the same throughout
        "rgb_input": ("B", size, size, 3),
        "flow_input": ("B", channels, flow_size, flow_size),
        "rgb_features": ("B", width),
        "flow_features": ("B", width),
        "rgb_attention": ("B", "h", "w"),
        "flow_attention": ("B", "p", "q"),  # smaller than RGB's where flow is
        "window_rgb": ("W", width),
        "window_flow": ("W", width),
        "window_probabilities": ("W", len(manifest.classes)),
    }
    sizes: dict[int | str, int] = {}
    for name, shape in shapes.items():
        if name not in golden:
            raise BundleFormat(f"golden.npz has no {name}; export the bundle again")
        found = golden[name].shape
        if len(found) == len(shape):
            for n, m in zip(shape, found, strict=True):
                if isinstance(n, str):
                    sizes.setdefault(n, m)
        expected = tuple(sizes.get(n, n) for n in shape)
        if found != expected or 0 in found:
            raise BundleFormat(
                f"golden.npz: {name} has shape {'x'.join(map(str, found))} where bundle.json "
                f"means {'x'.join(map(str, expected))}; export the bundle again"
            )
