"""Patches of images: as columns (`unfold`, `fold`), and as channels (`pixel_shuffle`, `pixel_unshuffle`).

One idea: nothing is computed here, elements only move; where windows overlap, `fold` adds what comes to one place.
Read `interpolate.py` next.
"""

from __future__ import annotations

import autograd as ag
from autograd.errors import ShapeError
from autograd.tensor import Tensor

from .axes import Numbers, numbers_of
from .given import check_arrays

__all__ = ["fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def unfold(
    input: Tensor, kernel_size: Numbers, dilation: Numbers = 1, padding: Numbers = 0, stride: Numbers = 1
) -> Tensor:
    """The windows of images as columns: (N, C, H, W) gives (N, C kh kw, L), and (C, H, W) the same without N.

    The L windows go row by row. A product with a weight (out, C kh kw) is a convolution; `padding` is of zeros.
    Raises ValueError for x of another rank and numbers that are none, ShapeError where no window fits.
    """
    check_arrays("unfold", input=input)
    if input.ndim not in (3, 4):
        raise ValueError(f"unfold got x of shape {input.shape}: it must be (N, C, H, W) or (C, H, W).")
    size, step, (down, across), apart = _numbers("unfold", kernel_size, stride, padding, dilation)
    x = input if input.ndim == 4 else input[None]
    x = ag.pad(x, ((0, 0), (0, 0), (down, down), (across, across)))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(size, apart, strict=True))
    if reach[0] > x.shape[2] or reach[1] > x.shape[3]:
        raise ShapeError(
            f"unfold got kernel_size={kernel_size} and dilation={dilation}, which reach over {reach} places, and x of "
            f"shape {input.shape}, which with padding={padding} has {x.shape[2:]}."
        )
    places = ag.permute_dims(ag.windows(x, size=size, stride=step, dilation=apart), (0, 1, 4, 5, 2, 3))
    n, channels, *_, rows, columns = places.shape
    out = ag.reshape(places, (n, channels * size[0] * size[1], rows * columns))
    return out if input.ndim == 4 else out[0]


def fold(
    input: Tensor,
    output_size: Numbers,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """Columns laid where `unfold` takes them from, and added where they overlap: (N, C kh kw, L) gives (N, C, H, W).

    `output_size` is (H, W). Raises ValueError for shapes that are not those of `unfold` of such an image.
    """
    check_arrays("fold", input=input)
    if input.ndim not in (2, 3):
        raise ValueError(f"fold got x of shape {input.shape}: it must be (N, C kh kw, L) or (C kh kw, L).")
    height, width = numbers_of("fold", "output_size", output_size, 2, 1)
    size, step, (down, across), apart = _numbers("fold", kernel_size, stride, padding, dilation)
    length = height + 2 * down, width + 2 * across
    spans = [d * (k - 1) + 1 for k, d in zip(size, apart, strict=True)]
    rows, columns = ((n - span) // s + 1 for n, span, s in zip(length, spans, step, strict=True))
    places = size[0] * size[1]
    if input.shape[-2] % places or min(rows, columns) < 1 or input.shape[-1] != rows * columns:
        raise ValueError(
            f"fold got x of shape {input.shape}: for images of {(height, width)} the axis before the last must divide "
            f"by the {places} places of a window, and the last must be {max(rows, 0)} x {max(columns, 0)} windows."
        )
    channels = input.shape[-2] // places
    n = input.shape[0] if input.ndim == 3 else 1
    x = ag.reshape(input, (n, channels, *size, rows, columns))
    out = ag.overlap_add(ag.permute_dims(x, (0, 1, 4, 5, 2, 3)), length=length, stride=step, dilation=apart)
    out = out[:, :, down : down + height, across : across + width]
    return out if input.ndim == 3 else out[0]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels as pixels: (..., C r r, H, W) gives (..., C, H r, W r), with r the `upscale_factor`.

    Shi et al. 2016, equation 4. Raises ValueError where the channels do not divide by r r.
    """
    (r,) = numbers_of("pixel_shuffle", "upscale_factor", upscale_factor, 1, 1)
    check_arrays("pixel_shuffle", input=input)
    if input.ndim < 3 or input.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle got x of shape {input.shape}: it must be (..., C, H, W) with C a multiple of {r * r}."
        )
    *rest, channels, height, width = input.shape
    n = len(rest)
    x = ag.reshape(input, (*rest, channels // (r * r), r, r, height, width))
    x = ag.permute_dims(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return ag.reshape(x, (*rest, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels as channels, the way back from `pixel_shuffle`: (..., C, H r, W r) gives (..., C r r, H, W).

    Raises ValueError where height and width do not divide by r.
    """
    (r,) = numbers_of("pixel_unshuffle", "downscale_factor", downscale_factor, 1, 1)
    check_arrays("pixel_unshuffle", input=input)
    if input.ndim < 3 or input.shape[-2] % r or input.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle got x of shape {input.shape}: it must be (..., C, H, W) with H and W multiples of {r}."
        )
    *rest, channels, height, width = input.shape
    n = len(rest)
    x = ag.reshape(input, (*rest, channels, height // r, r, width // r, r))
    x = ag.permute_dims(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return ag.reshape(x, (*rest, channels * r * r, height // r, width // r))


def _numbers(name: str, size: Numbers, stride: Numbers, padding: Numbers, dilation: Numbers) -> list[tuple[int, ...]]:
    """The four options of windows, two numbers each."""
    given = [("kernel_size", size, 1), ("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)]
    return [numbers_of(name, option, value, 2, least) for option, value, least in given]
