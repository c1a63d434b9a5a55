"""Compiled kernels, kept from one start to the next.

A file of the cache is named by the source, the GPU's architecture, and a hash of the source's
text, the options and the compiler's version.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from engine.cache import keep, read_kept
from engine.cuda.compilers import Compiler, find_compiler

log = logging.getLogger(__name__)

# Approximate division and square roots: 2 units in the last place, a few instructions each.
OPTIONS = ("--use_fast_math", "-std=c++17")


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
    if kept and (code := read_kept(kept)):
        return code
    log.info("compiling %s for %s by %s", source.name, arch, with_what.version)
    code = with_what.cubin(source, arch, OPTIONS)
    if kept:
        keep(kept, code)
    return code


def cache_name(source: Path, arch: str, compiler_version: str) -> str:
    """The cache's file for this very source, options, GPU and compiler."""
    key = hashlib.sha256()
    for part in (source.read_bytes(), " ".join(OPTIONS).encode(), compiler_version.encode()):
        key.update(hashlib.sha256(part).digest())
    return f"{source.stem}-{arch}-{key.hexdigest()[:16]}.cubin"
