"""TV-L1 flow in NumPy: what the CUDA kernels are held to, itself held to OpenCV's.

Zach, Pock and Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (DAGM 2007), in
the form of Sánchez, Meinhardt-Llopis and Facciolo, "TV-L1 Optical Flow Estimation" (IPOL 2013),
with OpenCV's boundaries. Names follow the papers: u the flow, v its auxiliary copy, p the dual
variables, rho the linearised residual. Pictures are [H,W] float32 of 0..255, fields [2,H,W].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import F32, U8

_CUBIC = np.float32(-0.75)  # OpenCV's a of Keys' cubic kernel
_FLAT = np.float32(np.finfo(np.float32).eps)  # |grad|^2 below which a pixel has no data term


@dataclass(frozen=True)
class Parameters:
    """OpenCV's names and defaults. epsilon 0: never stop early. median 1: no median filter."""

    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    scale_step: float = 0.8
    median_filtering: int = 5


def tvl1(previous: U8, current: U8, parameters: Parameters) -> F32:
    """Grey [H,W] x 2 -> flow [2,H,W] in px."""
    step = parameters.scale_step
    pyramid = [(previous.astype(np.float32), current.astype(np.float32))]
    while len(pyramid) < parameters.scales:
        smaller = tuple(shrink(picture, step) for picture in pyramid[-1])
        if min(smaller[0].shape) < 16:
            break
        pyramid.append((smaller[0], smaller[1]))
    u = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for level in reversed(range(len(pyramid))):
        u = one_scale(*pyramid[level], u, parameters)
        if level:
            height, width = pyramid[level - 1][0].shape
            u = np.stack([resize(each, height, width) for each in u]) * np.float32(1 / step)
    return u


def one_scale(I0: F32, I1: F32, u: F32, parameters: Parameters) -> F32:
    """Warps at one level of the pyramid. The dual variables live on from warp to warp."""
    p = np.zeros((2, 2, *I0.shape), np.float32)  # [component of u, direction, H, W]
    stop = np.float32(parameters.epsilon**2 * I0.size)
    I1x, I1y = centred_gradient(I1)
    for _ in range(parameters.warps):
        grad, squared, rho_c = linearise(I0, I1, I1x, I1y, u)
        error = np.float32(np.inf)
        for _ in range(parameters.outer_iterations):
            if parameters.median_filtering > 1 and error > stop:
                u = np.stack([median(each, parameters.median_filtering) for each in u])
            for _ in range(parameters.inner_iterations):
                if error <= stop:
                    break
                before = u
                u, p = iterate(u, p, grad, squared, rho_c, parameters)
                error = ((u - before) ** 2).sum()
    return u


def linearise(I0: F32, I1: F32, I1x: F32, I1y: F32, u: F32) -> tuple[F32, F32, F32]:
    """The gradient of I1 warped by u, its square, and the part of rho that u leaves alone.

    rho(u) = I1(x + u0) + <grad I1(x + u0), u - u0> - I0(x) around u0, the flow of this warp.
    """
    y, x = np.mgrid[: I0.shape[0], : I0.shape[1]].astype(np.float32)
    warped, Ix, Iy = cubic(np.stack([I1, I1x, I1y]), x + u[0], y + u[1])
    return np.stack([Ix, Iy]), Ix**2 + Iy**2, warped - Ix * u[0] - Iy * u[1] - I0


def iterate(
    u: F32, p: F32, grad: F32, squared: F32, rho_c: F32, parameters: Parameters
) -> tuple[F32, F32]:
    """One inner iteration: v by thresholding, u from v and div p, p by a fixed-point step."""
    bound = np.float32(parameters.lambda_ * parameters.theta)
    step = np.float32(parameters.tau / parameters.theta)
    rho = rho_c + (grad * u).sum(0)
    toward = np.where(squared > _FLAT, -rho / np.where(squared > _FLAT, squared, 1), 0)
    toward = np.where(rho < -bound * squared, bound, toward)
    toward = np.where(rho > bound * squared, -bound, toward)
    v = u + toward * grad
    u = (v + np.float32(parameters.theta) * divergence(p)).astype(np.float32)
    du = forward_gradient(u)
    norm = np.sqrt((du**2).sum(1, keepdims=True))
    return u, (p + step * du) / (1 + step * norm)


def forward_gradient(u: F32) -> F32:
    """[2,H,W] -> [2 of u, x and y, H,W]; zero across the right and the lower edge."""
    du = np.zeros((2, 2, *u.shape[1:]), np.float32)
    du[:, 0, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
    du[:, 1, :-1] = u[:, 1:] - u[:, :-1]
    return du


def divergence(p: F32) -> F32:
    """[2,2,H,W] -> [2,H,W]: minus the adjoint of the forward gradient."""
    div = p[:, 0] + p[:, 1]
    div[:, :, 1:] -= p[:, 0, :, :-1]
    div[:, 1:] -= p[:, 1, :-1]
    return div


def centred_gradient(picture: F32) -> F32:
    """Half the difference of the two neighbours; beyond an edge lies the edge's own pixel."""
    padded = np.pad(picture, 1, mode="edge")
    half = np.float32(0.5)
    return np.stack(
        [
            half * (padded[1:-1, 2:] - padded[1:-1, :-2]),
            half * (padded[2:, 1:-1] - padded[:-2, 1:-1]),
        ]
    )


def shrink(picture: F32, step: float) -> F32:
    """The next coarser level: bilinear, sizes rounded half to even."""
    height, width = (round(side * step) for side in picture.shape)
    return _bilinear(picture, height, width, 1 / step, 1 / step)


def resize(picture: F32, height: int, width: int) -> F32:
    """Bilinear, half-pixel centres, edges held."""
    return _bilinear(picture, height, width, picture.shape[0] / height, picture.shape[1] / width)


def _bilinear(picture: F32, height: int, width: int, scale_y: float, scale_x: float) -> F32:
    y0, y1, fy = _taps(height, scale_y, picture.shape[0])
    x0, x1, fx = _taps(width, scale_x, picture.shape[1])
    rows = picture[:, x0] * (1 - fx) + picture[:, x1] * fx
    return rows[y0] * (1 - fy[:, None]) + rows[y1] * fy[:, None]


def _taps(size: int, scale: float, limit: int) -> tuple[np.ndarray, np.ndarray, F32]:
    at = (np.arange(size) + 0.5) * scale - 0.5
    low = np.floor(at).astype(int)
    fraction = (at - low).astype(np.float32)
    return low.clip(0, limit - 1), (low + 1).clip(0, limit - 1), fraction


def cubic(pictures: F32, x: F32, y: F32) -> F32:
    """[N,H,W] at real positions x, y [H,W], bicubic; outside the picture all is zero."""
    height, width = pictures.shape[1:]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    weights_x, weights_y = _cubic_weights(x - left), _cubic_weights(y - top)
    found = np.zeros_like(pictures)
    for i in range(4):
        row = top + i - 1
        for j in range(4):
            column = left + j - 1
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            taps = pictures[:, row.clip(0, height - 1), column.clip(0, width - 1)]
            found += np.where(inside, taps, 0) * (weights_y[i] * weights_x[j])
    return found


def _cubic_weights(t: F32) -> list[F32]:
    """Of the taps at -1, 0, 1, 2 for a position t in [0,1) after tap 0 (Keys, 1981)."""
    a = _CUBIC
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    s = 1 - t
    near_right = ((a + 2) * s - (a + 3)) * s * s + 1
    return [far, near, near_right, 1 - far - near - near_right]


def median(picture: F32, size: int) -> F32:
    """Over size x size pixels, edges held."""
    padded = np.pad(picture, size // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.median(windows, axis=(2, 3)).astype(np.float32)
