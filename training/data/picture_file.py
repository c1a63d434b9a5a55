"""The pictures of one clip in one file: a plain zip of image files, one a tick, stored as they are.

Any picture is read by its place, without those before it. A file appears whole or not at all.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from engine.arrays import U8
from training.data.picture_cache import PictureCache, memory_share
from training.errors import DataError, OutputError

# Of a process, for all clips: of 24 GiB of memory, some 48,000 flow pairs of 300x224 px.
CACHE = PictureCache(limit_bytes=memory_share(4))

_LOCAL_NAME_AT = 26  # where a zip's local header has the lengths of its name and extra field
_LOCAL_HEADER = 30


@dataclass(frozen=True)
class Codec:
    """How a picture becomes an image file, and back."""

    suffix: str
    encode: Callable[[U8], bytes]
    decode: Callable[[bytes], U8]


def encode_frame(frame: U8) -> bytes:
    """RGB [H, W, 3] -> JPEG, quality 95, colour at full resolution: no loss that can be seen."""
    return _encoded(
        ".jpg",
        cast(U8, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)),
        cv2.IMWRITE_JPEG_QUALITY,
        95,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    )


def decode_frame(data: bytes) -> U8:
    return cast(U8, cv2.cvtColor(_decoded(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def encode_flow(pair: U8) -> bytes:
    """[2, H, W] -> grey PNG, x above y: without loss."""
    # Run lengths suit flow: a quarter smaller than what PNG writers do by default, and faster.
    return _encoded(
        ".png",
        pair.reshape(-1, pair.shape[-1]),
        cv2.IMWRITE_PNG_COMPRESSION,
        1,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_RLE,
    )


def decode_flow(data: bytes) -> U8:
    both = _decoded(data, cv2.IMREAD_GRAYSCALE)  # [2·H, W]
    return both.reshape(2, -1, both.shape[-1])


FRAME = Codec(".jpg", encode_frame, decode_frame)
FLOW = Codec(".png", encode_flow, decode_flow)


@contextmanager
def write_pictures(path: Path, codec: Codec) -> Iterator[Callable[[U8], None]]:
    """Gives a function that adds the next picture; `path` is there when all have been added.

    Raises OutputError where it can't be written; nothing is left then.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w") as archive:

            def add(picture: U8) -> None:
                name = f"{len(archive.filelist):06d}{codec.suffix}"
                archive.writestr(zipfile.ZipInfo(name), codec.encode(picture))

            yield add
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written ({error.strerror}): make room and run again; "
            "what is done is kept."
        ) from error
    finally:
        part.unlink(missing_ok=True)


class PictureFile:
    """Pictures by tick, as an array [T, *picture_shape] gives them; those used last are kept."""

    def __init__(self, path: Path, codec: Codec, picture_shape: tuple[int, int, int]) -> None:
        self._path = path
        self._codec = codec
        self._picture_shape = picture_shape

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._places), *self._picture_shape)

    def __getitem__(self, ticks: Sequence[int]) -> U8:
        """[n, *picture_shape]. Raises DataError where the file is missing or damaged."""
        found = {tick: CACHE.get((self._path, tick)) for tick in set(ticks)}
        lacking = sorted(tick for tick, picture in found.items() if picture is None)
        if lacking:
            for tick, picture in zip(lacking, self._read(lacking), strict=True):
                CACHE.put((self._path, tick), picture)
                found[tick] = picture
        return np.stack([cast(U8, found[tick]) for tick in ticks])

    def _read(self, ticks: Sequence[int]) -> list[U8]:
        places = self._places[list(ticks)]
        try:
            with self._path.open("rb") as file:
                return [self._picture(_entry(file, *place)) for place in places.tolist()]
        except (OSError, ValueError, struct.error) as error:
            raise self._damaged(error) from error

    def _picture(self, data: bytes) -> U8:
        picture = self._codec.decode(data)
        if picture.shape != self._picture_shape:
            raise ValueError(f"a picture of {picture.shape}, not {self._picture_shape}")
        return picture

    @cached_property
    def _places(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """[T, 3]: where each entry's header starts, its length in bytes, its checksum."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                entries = [(i.header_offset, i.file_size, i.CRC) for i in archive.infolist()]
        except (OSError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error
        return np.array(entries, np.int64).reshape(-1, 3)

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self._path} can't be read ({error}): delete it where it is damaged, and run "
            "`gesta-train prepare` again."
        )


def _entry(file: Any, start: int, length: int, checksum: int) -> bytes:
    """The bytes of one entry. The directory of a long clip is read once, not for each picture."""
    file.seek(start + _LOCAL_NAME_AT)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(start + _LOCAL_HEADER + name + extra)
    data: bytes = file.read(length)
    if zlib.crc32(data) != checksum:
        raise ValueError("its checksum is wrong")
    return data


def _encoded(suffix: str, image: U8, *settings: int) -> bytes:
    done, data = cv2.imencode(suffix, image, list(settings))
    assert done, "an array of bytes of one or three channels can always be encoded"
    return data.tobytes()


def _decoded(data: bytes, flag: int) -> U8:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None:
        raise ValueError("it holds something else than pictures")
    return cast(U8, image)
