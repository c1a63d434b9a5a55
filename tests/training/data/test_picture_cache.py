"""What the cache keeps, and what goes first."""

import numpy as np
import psutil
import pytest

from training.data.picture_cache import PictureCache, memory_share


def _picture(value: int) -> np.ndarray:
    return np.full(100, value, np.uint8)


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = PictureCache(limit_bytes=300)
    for key in (1, 2, 3):
        cache.put(key, _picture(key))
    assert cache.get(1) is not None  # so 2 is the oldest now
    cache.put(4, _picture(4))
    assert cache.get(2) is None
    assert [int(cache.get(key)[0]) for key in (1, 3, 4)] == [1, 3, 4]
    assert cache.used_bytes == 300


def test_a_picture_put_twice_counts_once_and_one_too_large_is_not_kept() -> None:
    cache = PictureCache(limit_bytes=150)
    cache.put(1, _picture(1))
    cache.put(1, _picture(1))
    assert cache.used_bytes == 100
    cache.put(2, np.zeros(151, np.uint8))
    assert cache.get(2) is None
    assert cache.used_bytes == 0


def test_a_kept_picture_cannot_be_written_to() -> None:
    cache = PictureCache(limit_bytes=300)
    cache.put(1, _picture(1))
    with pytest.raises(ValueError, match="read-only"):
        cache.get(1)[0] = 5


def test_processes_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    alone = memory_share(4)
    assert alone == pytest.approx(psutil.virtual_memory().total / 4, rel=0.01)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")  # torchrun's
    assert memory_share(4) == alone // 8
