"""Which Gesta this is, and on what it stands."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

_STANDS_ON = ("av", "msgspec", "numpy", "opencv-contrib-python-headless", "openvino", "pyzmq")


def version() -> str:
    """Gesta's own version."""
    return _installed("gesta")


def versions() -> dict[str, str]:
    """Gesta's, Python's, and those of the libraries that decide the numbers."""
    return {
        "gesta": version(),
        "python": platform.python_version(),
        **{name: _installed(name) for name in _STANDS_ON},
    }


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:  # run from the sources, without having been installed
        return "unknown"
