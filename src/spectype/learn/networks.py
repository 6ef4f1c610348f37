"""The standard network: mask-aware, convolving along wavelength, one distribution over O0-M9.5.

It sees three channels on the store's grid: the flux divided by its broad shape, the broad
shape itself (log), and which pixels are real. So one model serves any coverage, and
nothing has to be padded with flux that is not there.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from spectype.core import kinds, mk
from spectype.learn.recipe import NetworkConfig
from spectype.learn.targets import BINS_PER_SUBCLASS, N_BINS

POOL = 16  # pixels averaged before the broad shape is taken


class Standardise(nn.Module):
    """Flux and good pixels -> normalised flux, broad shape, mask; shape (n, 3, n_pix).

    The broad shape is a mask-aware Gaussian mean (see `dataset.preprocess.broad_shape`),
    taken on means of `POOL` pixels and interpolated linearly between their middles.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        sigma = width / POOL
        reach = int(3 * sigma)
        x = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        self.register_buffer("kernel", (kernel / kernel.sum())[None, None], persistent=False)
        # Weights of the mean before, at and after it for each of the pixels of one mean: (3, POOL).
        middle = (torch.arange(POOL) + 0.5) / POOL - 0.5
        hats = [(1 - (middle - at).abs()).clamp(min=0) for at in (-1.0, 0.0, 1.0)]
        self.register_buffer("hats", torch.stack(hats), persistent=False)

    def forward(self, flux: Tensor, good: Tensor, keep_shape: Tensor | None = None) -> Tensor:
        """`flux` (n, n_pix) on any scale, `good` (n, n_pix) 1 or 0 -> (n, 3, n_pix)."""
        size = (flux.abs() * good).sum(-1, keepdim=True) / good.sum(-1, keepdim=True).clamp(min=1.0)
        flux = flux * good / size.clamp(min=1e-30)
        kernel = self.get_buffer("kernel")
        covered = self._means(good)
        total, weight = (
            functional.conv1d(x.unsqueeze(1), kernel, padding=kernel.shape[-1] // 2).squeeze(1)
            for x in (self._means(flux), covered)
        )
        shape = total / weight.clamp(min=1e-4)
        there = (covered > 0).to(flux.dtype)
        level = (shape.clamp(min=0) * there).sum(-1, keepdim=True) / there.sum(
            -1, keepdim=True
        ).clamp(min=1.0)
        level = level.clamp(min=1e-6)
        fine = self._between((shape / level).clamp(min=0.03))
        ratio = flux / level / fine
        lines = (ratio.clamp(-1.0, 4.0) - 1.0) * good
        broad = fine.log().clamp(-3.0, 3.0) * good
        if keep_shape is not None:
            broad = broad * keep_shape[:, None]
        return torch.stack([lines, broad, good], dim=1)

    @staticmethod
    def _means(x: Tensor) -> Tensor:
        """Means of `POOL` pixels, (n, n_pix) -> (n, n_pix / POOL)."""
        return x.reshape(-1, x.shape[-1] // POOL, POOL).mean(-1)

    def _between(self, means: Tensor) -> Tensor:
        """Linear interpolation between means, level beyond the outer ones: (n, k) -> (n, k POOL).

        A product with a small matrix is several times as fast as what ONNX makes of torch's own.
        """
        before = torch.cat([means[:, :1], means[:, :-1]], dim=1)
        after = torch.cat([means[:, 1:], means[:, -1:]], dim=1)
        fine = torch.stack([before, means, after], dim=-1) @ self.get_buffer("hats")
        return fine.reshape(-1, means.shape[-1] * POOL)


def convolution(before: int, after: int, kernel: int, *, stride: int = 1) -> nn.Conv2d:
    """A convolution along wavelength, as (1, kernel) in two dimensions.

    On CPUs this is the faster way: the memory format channels_last exists for it.
    """
    return nn.Conv2d(
        before,
        after,
        (1, kernel),
        stride=(1, stride),
        padding=(0, kernel // 2),
        bias=False,
    )


class Block(nn.Module):
    """A residual block of two convolutions, halving the pixels."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.first = convolution(before, after, kernel, stride=2)
        self.norm1 = nn.BatchNorm2d(after)
        self.second = convolution(after, after, kernel)
        self.norm2 = nn.BatchNorm2d(after)
        self.skip = convolution(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, 1, p) -> (n, after, 1, p / 2)."""
        y = functional.silu(self.norm1(self.first(x)))
        y = self.norm2(self.second(y))
        return functional.silu(y + self.skip(functional.avg_pool2d(x, (1, 2))))


class StandardNetwork(nn.Module):
    """Flux and good pixels -> logits along the sequence, of luminosity, of the kind of object.

    There are two distributions along the sequence: the MK type, and what a survey's pipeline
    would have said, which is the MK type's logits and a correction learnt from the survey's labels.
    Those labels move the correction and the features below it, but not the MK type itself: left
    to one distribution, a survey with many labels drags the scale of the experts with few.
    Where no survey's labels are learnt, the correction stays zero.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.fast = False  # convolve in bfloat16 while training
        w = config.width
        sizes = (w, w, 3 * w // 2, 2 * w, 3 * w)
        self.standardise = Standardise(config.shape_width)
        self.stem = convolution(3, w, 11, stride=4)
        self.stem_norm = nn.BatchNorm2d(w)
        self.blocks = nn.Sequential(
            *(Block(a, b, config.kernel) for a, b in itertools.pairwise(sizes))
        )
        self.squeeze = convolution(sizes[-1], w, 1)
        self.squeeze_norm = nn.BatchNorm2d(w)
        # One weight a wavelength: the dense layer knows where a feature stands.
        self.dense = nn.Linear(w * (config.n_pix // 64), config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.sequence = nn.Linear(config.hidden, N_BINS)
        self.luminosity = nn.Linear(config.hidden, len(mk.LUMINOSITIES))
        self.kind = nn.Linear(config.hidden, len(kinds.KINDS))
        self.survey = nn.Linear(config.hidden, N_BINS)
        nn.init.zeros_(self.survey.weight)
        nn.init.zeros_(self.survey.bias)

    def forward(
        self, flux: Tensor, good: Tensor, keep_shape: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Apply the network.

        Parameters
        ----------
        flux, good : Tensor, shape (n, n_pix), float32
            Flux on any scale; 1 for real pixels, 0 for bad or missing ones.
        keep_shape : Tensor, shape (n,), optional
            0 hides the broad shape of a spectrum (training only).

        Returns
        -------
        sequence, survey (n, N_BINS), luminosity (n, 5), kind (n, len(KINDS)) : Tensor
            Logits; those of the survey's system pass no gradient on to `sequence`.
        """
        x = self.standardise(flux, good, keep_shape).unsqueeze(2)
        if not torch.compiler.is_exporting():
            x = x.contiguous(memory_format=torch.channels_last)
        device = flux.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.fast and self.training):
            x = functional.silu(self.stem_norm(self.stem(x)))
            x = functional.silu(self.squeeze_norm(self.squeeze(self.blocks(x))))
        x = self.dropout(x.float().flatten(1))
        x = self.dropout(functional.silu(self.dense(x)))
        sequence = self.sequence(x)
        survey = sequence.detach() + self.survey(x)
        return sequence, survey, self.luminosity(x), self.kind(x)


class SurveyView(nn.Module):
    """A survey's labels as a noisy, shifted view of the MK type.

    ``p_survey = p_mk @ T``: each row of T is the distribution of the survey's label for stars
    of one true half subclass, within `reach` subclasses; it starts as a narrow Gaussian and
    is learnt with the network (a noise-adaptation layer: Goldberger & Ben-Reuven 2017, ICLR).
    In training it lets a survey's labels say a little about the MK type as well; see
    `recipe.TrainConfig.survey_weight`.
    """

    def __init__(self, reach: float = 6.0, spread: float = 0.7) -> None:
        super().__init__()
        half = int(reach * BINS_PER_SUBCLASS)
        offset = torch.arange(-half, half + 1)
        start = -0.5 * (offset / BINS_PER_SUBCLASS / spread) ** 2
        self.logits = nn.Parameter(start.expand(N_BINS, -1).clone())
        column = torch.arange(N_BINS)[:, None] + offset
        self.register_buffer("column", column.clamp(0, N_BINS - 1), persistent=False)
        self.register_buffer("inside", (column >= 0) & (column < N_BINS), persistent=False)

    def matrix(self) -> Tensor:
        """T, shape (N_BINS, N_BINS), rows sum to one."""
        inside = self.get_buffer("inside")
        rows = torch.softmax(self.logits.masked_fill(~inside, -1e9), dim=1)
        empty = torch.zeros(N_BINS, N_BINS, dtype=rows.dtype, device=rows.device)
        return empty.scatter_add(1, self.get_buffer("column"), rows * inside)

    def roughness(self) -> Tensor:
        """Mean squared difference of neighbouring rows' logits: a penalty keeps it small."""
        return ((self.logits[1:] - self.logits[:-1]) ** 2).mean()

    def forward(self, probability: Tensor) -> Tensor:
        """MK distribution (n, N_BINS) -> the survey's."""
        return probability @ self.matrix()
