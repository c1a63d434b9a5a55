"""Compiled kernels, kept from one start to the next.

A file of the cache is named by the source, the GPU's architecture, and a hash of the source's
text, the options and the compiler's version; it begins with the SHA-256 of what follows.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.cuda.compilers import Compiler, find_compiler

log = logging.getLogger(__name__)

# Approximate division and square roots: 2 units in the last place, a few instructions each.
OPTIONS = ("--use_fast_math", "-std=c++17")
_SUM_BYTES = 32


def cubin(
    source: Path,
    arch: str,
    cache_dir: Path | None,
    *,
    compiler: Callable[[], Compiler] = find_compiler,
) -> bytes:
    """Code of `source` for a GPU of `arch` (`sm_90`): from the cache, else compiled and kept.

    Raises DeviceMissing without a compiler, DeviceFailed where it refuses.
    """
    with_what = compiler()
    kept = cache_dir / cache_name(source, arch, with_what.version) if cache_dir else None
    if kept and (code := _read(kept)):
        return code
    log.info("compiling %s for %s by %s", source.name, arch, with_what.version)
    code = with_what.cubin(source, arch, OPTIONS)
    if kept:
        _write(kept, code)
    return code


def cache_name(source: Path, arch: str, compiler_version: str) -> str:
    """The cache's file for this very source, options, GPU and compiler."""
    key = hashlib.sha256()
    for part in (source.read_bytes(), " ".join(OPTIONS).encode(), compiler_version.encode()):
        key.update(hashlib.sha256(part).digest())
    return f"{source.stem}-{arch}-{key.hexdigest()[:16]}.cubin"


def _read(kept: Path) -> bytes | None:
    try:
        content = kept.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("compiling again, since %s can't be read: %s", kept, error)
        return None
    digest, code = content[:_SUM_BYTES], content[_SUM_BYTES:]
    if not code or hashlib.sha256(code).digest() != digest:
        log.warning("compiling again, since %s is damaged", kept)
        return None
    return code


def _write(kept: Path, code: bytes) -> None:
    # Whole or not at all, whoever else starts at the same time.
    try:
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as part:
            part.write(hashlib.sha256(code).digest() + code)
        os.replace(part.name, kept)
    except OSError as error:
        log.warning("%s isn't kept for the next start: %s", kept.name, error)
