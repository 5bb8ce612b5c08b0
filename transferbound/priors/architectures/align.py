"""Moment alignment: an image's mass is centred, made upright and brought to one size, before a network sees it."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["MomentAlignment"]

_MAX_SLANT = 1.0
# Standard deviations of the mass, in units of half the image's side, that an image is brought to: a stroke of pen
# that fills 20 of 28 pixels. No image is stretched or shrunk by more than _MAX_ZOOM.
_WIDTH, _HEIGHT = 0.27, 0.36
_MAX_ZOOM = 1.4
_FLOOR = 1e-3  # of a variance, in units of half the image's side squared: an empty image stays as it is


class MomentAlignment(nn.Module):
    """[B, 1, S, S] with black at -1, to the same: centred at its mass, sheared upright, scaled.

    First and second moments of the pixels as mass decide, as in the deskewing of LeCun et al. 1998
    (Gradient-based learning applied to document recognition, section III.A). Nothing is learned: the map is a
    fixed part of the architecture, and each image is aligned by itself.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The aligned images, bilinear, black outside."""
        mass = 0.5 * (x + 1.0)
        grey = mass.mean(1)
        total = grey.sum((1, 2)) + 1e-6
        place = torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype, device=x.device)
        centre_x = (grey * place).sum((1, 2)) / total
        centre_y = (grey * place[:, None]).sum((1, 2)) / total
        dx = (place - centre_x[:, None])[:, None, :]
        dy = (place - centre_y[:, None])[:, :, None]
        height = (grey * dy * dy).sum((1, 2)) / total
        width = (grey * dx * dx).sum((1, 2)) / total
        shared = (grey * dx * dy).sum((1, 2)) / total
        slant = (shared / (height + _FLOOR)).clamp(-_MAX_SLANT, _MAX_SLANT)
        upright = (width - slant * shared).clamp(min=_FLOOR)
        zoom_x = (upright.sqrt() / _WIDTH).clamp(1 / _MAX_ZOOM, _MAX_ZOOM)
        zoom_y = (height.sqrt() / _HEIGHT).clamp(1 / _MAX_ZOOM, _MAX_ZOOM)
        first = torch.stack([zoom_x, slant * zoom_y, centre_x], 1)
        second = torch.stack([torch.zeros_like(slant), zoom_y, centre_y], 1)
        grid = nn.functional.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=True)
        return 2.0 * nn.functional.grid_sample(mass, grid, align_corners=True) - 1.0
