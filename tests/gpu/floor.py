"""What a plan of TV-L1 asks of a GPU: operations and bytes, counted from its launches.

Counted are the iterations and the warps; the pyramid is a hundredth of them.
"""

from __future__ import annotations

from dataclasses import dataclass

# Of `iterated` in tvl1.cu, one pixel and iteration, each +, *, /, min, max and square root as one:
# rho 4, its step 3, u1 and u2 7 each, tau/theta grad u 8, p11 to p22 18.
ITERATION_FLOP = 47
# Of `linearise`: weights 2 x 18, 16 taps of 7, the rest 17.
WARP_FLOP = 165

_DUAL_BYTES = {"fp32": 16, "fp16": 8}
# data, u and p in; u and p out. Of a warp: 16 taps are one read of the slopes, the rest is cached.
_DATA_BYTES, _U_BYTES, _WARP_BYTES = 16, 8, 16 + 4 + 8 + 16


@dataclass(frozen=True)
class Work:
    """For one pair. useful: were there no margins; done: with them."""

    useful_flop: float
    done_flop: float
    useful_bytes: float
    done_bytes: float

    def floor_us(self, flop_per_s: float, bytes_per_s: float) -> tuple[float, float]:
        """(arithmetic, memory): the least time that useful work takes, microseconds a pair."""
        return 1e6 * self.useful_flop / flop_per_s, 1e6 * self.useful_bytes / bytes_per_s


def work(plan):
    """Of a TvL1Plan."""
    dual = _DUAL_BYTES[plan.storage]
    useful_flop = done_flop = useful_bytes = done_bytes = 0.0
    for launch in plan.launches:
        if launch.kernel == "linearise":
            pixels = int(launch.arguments[4]) * int(launch.arguments[5])
            flop, moved = WARP_FLOP * pixels, _WARP_BYTES * pixels
            computed_flop, computed_moved = flop, moved
        elif launch.kernel.startswith("iterate"):
            width, height, iterations = (int(each) for each in launch.arguments[5:8])
            pixels = width * height
            # Regions reach over the picture's edge; what lies outside is computed, not fetched.
            regions = launch.grid[0] * launch.grid[1]
            held = regions * 4 * launch.block[0] * 2 * launch.block[1]
            fetched = _fetched(launch, width, height, iterations)
            read, written = _DATA_BYTES + _U_BYTES + dual, _U_BYTES + dual
            flop, moved = ITERATION_FLOP * iterations * pixels, (read + written) * pixels
            computed_flop = ITERATION_FLOP * iterations * held
            computed_moved = read * fetched + written * pixels
        else:
            continue
        useful_flop += flop
        useful_bytes += moved
        done_flop += computed_flop
        done_bytes += computed_moved
    return Work(useful_flop, done_flop, useful_bytes, done_bytes)


def _fetched(launch, width, height, iterations):
    """Pixels that all regions of a launch read, those twice that lie in two."""

    def along(size, blocks, region):
        step = region - 2 * iterations
        starts = [n * step - iterations for n in range(blocks)]
        return sum(min(start + region, size) - max(start, 0) for start in starts)

    across = along(width, launch.grid[0], 4 * launch.block[0])
    return across * along(height, launch.grid[1], 2 * launch.block[1])
