"""The kernels of pictures.cu in NumPy, a batch at a time: what they must do."""

import numpy as np


def resize(pictures, size):
    """RGB [B,H,W,3] -> [B,h,w,3]: each pixel the mean of the area that it covers."""
    width, height = size
    rows = _overlaps(pictures.shape[1], height)
    columns = _overlaps(pictures.shape[2], width)
    found = np.einsum("bYXc,xX->bYxc", np.float64(pictures), columns, optimize=True)
    found = np.einsum("yY,bYxc->byxc", rows, found, optimize=True)
    return np.rint(found).astype(np.uint8)


def _overlaps(size, to):
    """[to,size]: how much of each pixel lies in each cell; rows sum to 1."""
    edges = np.arange(to + 1) * size / to
    pixels = np.arange(size)
    begin = np.maximum(pixels, edges[:-1, None])
    end = np.minimum(pixels + 1, edges[1:, None])
    return np.maximum(end - begin, 0) * to / size


def grey(pictures, p):
    """RGB [B,H,W,3] -> luma [B,H/p,W/p], in whole numbers."""
    r, g, b = np.moveaxis(np.int64(pictures), -1, 0)
    luma = (9798 * r + 19235 * g + 3735 * b + (1 << 14)) >> 15
    count, height, width = luma.shape
    squares = luma.reshape(count, height // p, p, width // p, p).sum(axis=(2, 4))
    return ((squares + 2) >> 2 if p == 2 else np.rint(squares / p**2)).astype(np.uint8)


def quantise(flow, bound_px):
    """[B,2,H,W] px -> bytes."""
    steps = np.float32(127 / bound_px)
    return (128 + np.rint(np.clip(flow, -bound_px, bound_px) * steps)).astype(np.uint8)


def crop(pictures, side):
    """[B,H,W,C] -> [B,side,side,C]."""
    top, left = ((length - side) // 2 for length in pictures.shape[1:3])
    return pictures[:, top : top + side, left : left + side]


def stack(pairs, chosen):
    """pairs [n,2,h,w], chosen [B,10] (-1: none) -> [B,20,h,w]."""
    still = np.full_like(pairs[:1], 128)
    found = np.concatenate([pairs, still])[chosen]  # [B,10,2,h,w]
    return found.reshape(len(chosen), -1, *pairs.shape[2:])
