"""Turn logits and their image into refined logits: a fully connected CRF made of dense operators alone.

Mean field of Krähenbühl and Koltun (2011), "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", with Potts compatibility. Where the paper filters with a permutohedral lattice, which engines
have no operators for, the appearance kernel is computed here between all pairs of cells of a coarse grid: a
MatMul and an Exp. What the cells tell each other comes back to full resolution by joint bilateral
upsampling (Kopf et al. 2007) from the 3x3 nearest cells, and is added to logits that stay at full
resolution.

Normalisation is symmetric, 1/sqrt(K 1) on both sides, with each pixel's message to itself included: what
pydensecrf does by default. So normalised, a kernel of cells needs no count of the pixels that a cell stands
for, for it cancels.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import ShapeError, UsageError
from edgeseg.spec import CRFSpec

NEIGHBOURS = [(dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2)]  # of a cell, in a grid padded by one
MIDDLE_LEVEL = 127.5  # colours are counted from here, so that squares stay small
LEAST_EXPONENT = -40.0  # e^-40 adds nothing; e^-90 is a denormal number, and takes ten times as long
FLOAT_BYTES = 4


class InGraphCRF(nn.Module):
    """Mean field on images of one size; `stride` 1 is the exact fully connected CRF.

    At a stride s above 1 three things are approximate:

    - A cell of s x s pixels has one position, its centre, one colour, its middle pixel's (a mean would make
      cells more alike than pixels are), and the mean of its logits.
    - The smoothness kernel between cells is widened by how far two pixels lie from their cells' centres, a
      variance of (s^2 - 1) / 12 each. Its last message is computed at full resolution, and exact.
    - Sizes that s does not divide are filled up by repeating the last row and column.

    Everything is computed in float32, and has to be: squared distances come from |a|^2 + |b|^2 - 2ab, of
    which float16, bfloat16 and TF32 leave nothing, and row sums of the kernel reach the number of cells.

    Args:
        parameters: its widths hold for images of its `height`, and are scaled to `size_hw`.
        size_hw: of image and logits, in pixels.
        stride: pixels per side of a cell.

    Raises:
        UsageError: if `stride` is below 1.
    """

    def __init__(self, parameters: CRFSpec, size_hw: tuple[int, int], stride: int) -> None:
        super().__init__()
        if stride < 1:
            raise UsageError(f"the CRF's stride must be at least 1 pixel, got {stride}")
        self.size_hw, self.stride = size_hw, stride
        self.grid_hw = grid_of(size_hw, stride)
        self.iterations = parameters.iterations
        self.appearance_weight = parameters.appearance_weight
        self.smoothness_weight = parameters.smoothness_weight
        self.colour_width = parameters.appearance_colour
        scaled = parameters.scaled_to(size_hw[0])
        smooth_variance = scaled.smoothness_position_px**2
        cell_variance = smooth_variance + (stride**2 - 1) / 6  # two pixels, each anywhere in its cell
        for axis, cells, pixels in zip("yx", self.grid_hw, size_hw, strict=True):
            self.register_buffer(f"cell_smoothing_{axis}", _smoothing(cells, stride, cell_variance))
            self.register_buffer(f"pixel_smoothing_{axis}", _smoothing(pixels, 1, smooth_variance))
        self.register_buffer("positions", _positions(self.grid_hw, stride) / scaled.appearance_position_px)
        self.register_buffer("nearness", _nearness(stride))

    def forward(self, logits: Tensor, image: Tensor) -> Tensor:
        """Refine.

        Args:
            logits: (N, C, H, W) float32.
            image: (N, H, W, 3) BGR, levels 0..255, of any type.

        Returns:
            (N, C, H, W) float32: logits plus the last messages; their softmax is the mean field's marginals.

        Raises:
            ShapeError: if sizes are others than those it was made for.
        """
        if tuple(logits.shape[2:]) != self.size_hw or tuple(image.shape[1:]) != (*self.size_hw, 3):
            raise ShapeError(
                f"this CRF was made for logits (N, C, {self.size_hw[0]}, {self.size_hw[1]}) and an image of "
                f"that size, got {tuple(logits.shape)} and {tuple(image.shape)}"
            )
        if self.iterations == 0:
            return logits
        colours = image.to(torch.float32).permute(0, 3, 1, 2) - MIDDLE_LEVEL
        colours = self._fill_up(colours / self.colour_width)  # (N, 3, h*s, w*s)
        middle = self.stride // 2
        cell_colours = colours[:, :, middle :: self.stride, middle :: self.stride]  # (N, 3, h, w)
        kernel = self._kernel(cell_colours)  # (N, M, M), M = h*w
        norm = kernel.sum(dim=2, keepdim=True).rsqrt()  # (N, M, 1)
        unary = F.avg_pool2d(self._fill_up(logits), self.stride).flatten(2).transpose(1, 2)  # (N, M, C)
        field = unary
        appearance = smoothness = torch.zeros_like(unary)
        for _ in range(self.iterations):
            marginals = field.softmax(dim=2)
            appearance = self.appearance_weight * norm * (kernel @ (norm * marginals))
            smoothness = self._smooth_cells(marginals)
            field = unary + appearance + smoothness
        if self.stride == 1:
            return self._as_planes(field)
        messages = torch.cat([appearance, smoothness], dim=2)  # (N, M, 2C)
        messages = self._upsample(messages, self._shares(colours, cell_colours))  # (N, 2C, H, W)
        appearance, smoothness = messages.chunk(2, dim=1)
        # Smoothness reaches a few pixels, so that it is worth a last step between pixels instead of cells.
        refined = logits + appearance
        return refined + self._smooth_pixels((refined + smoothness).softmax(dim=1))

    def _fill_up(self, planes: Tensor) -> Tensor:
        """Repeat the last row and column of (N, C, H, W) until cells are whole."""
        (height, width), (rows, columns) = self.size_hw, self.grid_hw
        below, right = rows * self.stride - height, columns * self.stride - width
        return F.pad(planes, (0, right, 0, below), mode="replicate") if below or right else planes

    def _kernel(self, cell_colours: Tensor) -> Tensor:
        """Compute exp(-|a - b|^2 / 2) of all pairs of cells, (N, M, M).

        With the vectors (a, -|a|^2 / 2, 1) and (b, 1, -|b|^2 / 2) one product gives the whole exponent.
        """
        colours = cell_colours.flatten(2).transpose(1, 2)  # (N, M, 3)
        positions = cast(Tensor, self.positions).expand(len(colours), -1, -1)  # (N, M, 2)
        features = torch.cat([positions, colours], dim=2)
        halves = -0.5 * (features * features).sum(dim=2, keepdim=True)
        ones = torch.ones_like(halves)
        left = torch.cat([features, halves, ones], dim=2)
        right = torch.cat([features, ones, halves], dim=2)
        return (left @ right.transpose(1, 2)).clamp(min=LEAST_EXPONENT).exp()

    def _smooth_cells(self, marginals: Tensor) -> Tensor:
        """Send the smoothness kernel's messages between cells, (N, M, C) to (N, M, C)."""
        rows, columns = self.grid_hw
        classes = marginals.shape[2]
        grid = marginals.reshape(-1, rows, columns * classes)
        grid = (cast(Tensor, self.cell_smoothing_y) @ grid).reshape(-1, rows, columns, classes)
        grid = cast(Tensor, self.cell_smoothing_x) @ grid
        return self.smoothness_weight * grid.reshape(-1, rows * columns, classes)

    def _smooth_pixels(self, marginals: Tensor) -> Tensor:
        """Send the smoothness kernel's messages between pixels, (N, C, H, W) to (N, C, H, W)."""
        across = marginals @ cast(Tensor, self.pixel_smoothing_x)  # symmetric
        return self.smoothness_weight * (cast(Tensor, self.pixel_smoothing_y) @ across)

    def _shares(self, colours: Tensor, cell_colours: Tensor) -> Tensor:
        """Weigh the 3x3 nearest cells of every pixel by position and colour, (N, M, s*s, 9) of sum 1.

        Beyond the border stands the last cell again. Differences are taken before they are squared.
        """
        rows, columns, s = *self.grid_hw, self.stride
        pixels = colours.reshape(-1, 3, rows, s, columns, s).permute(0, 1, 2, 4, 3, 5)
        pixels = pixels.reshape(-1, 3, rows * columns, s * s, 1)
        cells = self._neighbours(cell_colours).permute(0, 2, 1, 3).unsqueeze(3)  # (N, 3, M, 1, 9)
        squares = (pixels - cells) ** 2
        return (cast(Tensor, self.nearness) - 0.5 * squares.sum(dim=1)).softmax(dim=3)

    def _upsample(self, messages: Tensor, shares: Tensor) -> Tensor:
        """Bring (N, M, C) from cells to pixels, (N, C, H, W), by `shares`."""
        (height, width), (rows, columns), s = self.size_hw, self.grid_hw, self.stride
        classes = messages.shape[2]
        near = self._neighbours(self._as_planes(messages))  # (N, M, C, 9)
        pixels = (near @ shares.transpose(2, 3)).reshape(-1, rows, columns, classes, s, s)
        planes = pixels.permute(0, 3, 1, 4, 2, 5).reshape(-1, classes, rows * s, columns * s)
        return planes[:, :, :height, :width]

    def _neighbours(self, planes: Tensor) -> Tensor:
        """List the 3x3 nearest cells of each cell, (N, C, h, w) to (N, M, C, 9)."""
        rows, columns = self.grid_hw
        padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
        near = [padded[:, :, dy : dy + rows, dx : dx + columns].flatten(2) for dy, dx in NEIGHBOURS]
        return torch.stack(near, dim=3).transpose(1, 2)

    def _as_planes(self, cells: Tensor) -> Tensor:
        """Turn (N, M, C) into (N, C, h, w)."""
        return cells.transpose(1, 2).reshape(-1, cells.shape[2], *self.grid_hw)


def grid_of(size_hw: tuple[int, int], stride: int) -> tuple[int, int]:
    """Count the cells that cover an image, (rows, columns)."""
    height, width = size_hw
    return -(-height // stride), -(-width // stride)


def kernel_bytes(size_hw: tuple[int, int], stride: int) -> int:
    """Compute what the kernel between all pairs of cells takes, for one image."""
    rows, columns = grid_of(size_hw, stride)
    return FLOAT_BYTES * (rows * columns) ** 2


def _smoothing(count: int, spacing: int, variance: float) -> Tensor:
    """Make the normalised smoothness kernel n K n of one axis, (count, count); both axes multiply."""
    place = torch.arange(count, dtype=torch.float64) * spacing
    exponents = -((place[:, None] - place[None]) ** 2) / (2 * variance)
    kernel = exponents.clamp(min=LEAST_EXPONENT).exp()
    norm = kernel.sum(dim=1).rsqrt()
    return (norm[:, None] * kernel * norm).float()


def _positions(grid_hw: tuple[int, int], stride: int) -> Tensor:
    """Place the cells, (M, 2) y and x in pixels from the middle of the grid."""
    y, x = (stride * (torch.arange(count, dtype=torch.float32) - (count - 1) / 2) for count in grid_hw)
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)


def _nearness(stride: int) -> Tensor:
    """Weigh the neighbours by position, as exponents (s*s, 9); a Gaussian one stride wide."""
    inside = (torch.arange(stride, dtype=torch.float32) + 0.5) / stride  # in cells
    squares = torch.stack([(inside - offset - 0.5) ** 2 for offset in (-1, 0, 1)])  # (3, s)
    both = squares[:, None, :, None] + squares[None, :, None, :]  # (3, 3, s, s)
    return (-0.5 * both).reshape(len(NEIGHBOURS), stride * stride).T.contiguous()
