"""How processes share out a step's micro-batches."""

import pytest

from training.distributed import ALONE, Group, Turn
from training.errors import DeviceError


def test_alone_a_process_takes_every_micro_batch_and_steps_after_each_batch() -> None:
    assert ALONE.turns(5, 2) == [
        Turn(0, ends_step=False, counts=True),
        Turn(1, ends_step=True, counts=True),
        Turn(2, ends_step=False, counts=True),
        Turn(3, ends_step=True, counts=True),
        Turn(4, ends_step=True, counts=True),  # the last step of an epoch has what is left
    ]


@pytest.mark.parametrize("micro_batches", range(1, 18))
@pytest.mark.parametrize(("size", "per_step"), [(2, 2), (2, 4), (4, 4)])
def test_together_they_take_each_once_and_step_as_often(
    micro_batches: int, size: int, per_step: int
) -> None:
    shares = [Group(rank, size).turns(micro_batches, per_step) for rank in range(size)]
    taken = sorted(turn.number for share in shares for turn in share if turn.counts)
    assert taken == list(range(micro_batches))
    steps = [[turn.number // per_step for turn in share if turn.ends_step] for share in shares]
    assert steps == [list(range(-(-micro_batches // per_step)))] * size


def test_processes_that_cannot_share_evenly_get_a_sentence() -> None:
    with pytest.raises(DeviceError, match=r"3 processes can't share the 4 micro-batches"):
        Group(0, 3).turns(8, 4)
