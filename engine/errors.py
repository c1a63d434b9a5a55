"""What can go wrong in the engine.

    EngineError                 exit code 4
    ├── BundleError
    │   ├── BundleNotFound      no such folder, .zip or built-in name
    │   ├── BundleCorrupt       a file is missing, extra, or not what its sum says
    │   └── BundleFormat        whole, but not a bundle that this version reads
    ├── FlowMismatch            the bundle was not trained on this flow
    └── RunnerError
        ├── DeviceMissing       the machine, or this version, lacks the device or precision
        ├── DeviceFailed        the device is there, and did not do what it was asked
        │   └── DeviceFull      it has too little free memory
        ├── GraphMismatch       a graph's inputs or outputs are not the manifest's
        └── EngineDrift         a compiled graph strays from the golden numbers

A message says what happened and what to do about it. Foreign exceptions are turned into these
where they arise: files in `bundle`, OpenVINO in `runners.openvino_runner`, PyCUDA in `cuda.gpu`,
TensorRT in `tensorrt.library`.
"""

# ruff: noqa: N818  (a name that says what happened needs no suffix)

from __future__ import annotations


class EngineError(Exception):
    """Anything that stops the engine for a reason its user can act on."""

    exit_code = 4


class BundleError(EngineError):
    """The bundle can't be used."""


class BundleNotFound(BundleError):
    """There is no bundle under this name or path."""


class BundleCorrupt(BundleError):
    """The bundle's files are not those that its SHA256SUMS lists."""


class BundleFormat(BundleError):
    """The files are whole, but they are no bundle that this version reads."""


class FlowMismatch(EngineError):
    """The flow asked for is not one that the bundle was trained on."""


class RunnerError(EngineError):
    """A graph can't be run."""


class DeviceMissing(RunnerError):
    """The device or the precision asked for is not here."""


class DeviceFailed(RunnerError):
    """The device is there, but ran out of memory, was lost, or refused its code."""


class DeviceFull(DeviceFailed):
    """The device has too little free memory for what it was asked."""


class GraphMismatch(RunnerError):
    """A graph's inputs or outputs differ from what the manifest says."""


class EngineDrift(RunnerError):
    """A compiled graph's numbers are further from the golden ones than the bundle tolerates."""
