"""What a survey holds beside normal stars, made on the fly so that the network learns to doubt.

Galaxies are sums of late-type stars, redshifted, broadened, with nebular lines; quasars are
power laws with broad lines; white dwarfs are blue continua with very broad hydrogen, with helium
or with nothing; cataclysmic stars have broad emission on a blue continuum, emission-line stars
narrower emission on that of a hot star; carbon stars are cool ones under bands of C2 and CN;
composites are a hot and a red star in one fibre; empty fibres are noise and sky residue; faults
are arms that do not join. They train the kind alone and never enter a test set.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from spectype.core.kinds import KINDS
from spectype.learn.augment import gaussian_blur, masked_mean, shift_pixels, sky_lines

# Rest wavelengths [A, vacuum] and strengths relative to H alpha or Mg II.
NEBULAR = ((3728.5, 0.7), (4862.7, 0.35), (4960.3, 0.25), (5008.2, 0.7), (6564.6, 1.0),
           (6585.3, 0.5), (6718.3, 0.25), (6732.7, 0.2))  # fmt: skip
QUASAR = ((1215.7, 4.0), (1549.1, 1.6), (1908.7, 0.9), (2798.8, 0.8), (4341.7, 0.3),
          (4862.7, 0.7), (5008.2, 0.3), (6564.6, 2.5))  # fmt: skip
BALMER = (3836.5, 3890.2, 3971.2, 4102.9, 4341.7, 4862.7, 6564.6)
HELIUM = (3889.7, 4027.3, 4472.7, 4714.5, 4923.3, 5017.1, 5877.2, 6680.0)
#: Band heads of carbon stars [A, vacuum] and depths: C2 degrades to the violet, CN to the red
#: (Keenan 1993, PASP 105, 905).
C2 = ((4383.0, 0.4), (4738.0, 1.0), (5166.0, 1.3), (5637.0, 1.0), (6192.0, 0.4))
CN = ((4216.0, -0.5), (6926.0, 0.4), (7088.0, 0.4), (7876.0, 0.7), (8067.0, 0.6))


class Outliers:
    """Makes spectra that are no normal stars from a batch of stars.

    Parameters
    ----------
    wave : Tensor, shape (n_pix,)
        The grid [Angstrom], log-linear.
    """

    def __init__(self, wave: Tensor) -> None:
        self.wave = wave.float()
        self.makers = {
            "galaxy": self.galaxy, "quasar": self.quasar, "white dwarf": self.white_dwarf,
            "cataclysmic": self.cataclysmic, "carbon": self.carbon,
            "emission-line star": self.emission_star, "composite": self.composite,
            "empty": self.empty, "fault": self.fault, "other": self.other,
        }  # fmt: skip

    def __call__(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Turn each spectrum into an outlier of a random kind.

        Parameters
        ----------
        flux, good : Tensor, shape (n, n_pix)
            Stars, before augmentation.
        pools : mapping of str to Tensor, shape (m, n_pix)
            Fluxes to make others of (complete coverage is not needed): ``hot`` O to F stars,
            ``cool`` F to K stars, ``red`` K5 to M stars.
        draw : Generator
            Source of randomness.

        Returns
        -------
        flux, good : Tensor, shape (n, n_pix)
        kind : Tensor, shape (n,), int64
            Index into `KINDS`.
        """
        flux, good = flux.clone(), good.clone()
        which = torch.randint(len(self.makers), (len(flux),), generator=draw)
        kind = torch.zeros(len(flux), dtype=torch.int64)
        for number, (name, maker) in enumerate(self.makers.items()):
            rows = torch.nonzero(which == number).squeeze(1)
            if len(rows):
                flux[rows], good[rows] = maker(flux[rows], good[rows], pools, draw)
                kind[rows] = KINDS.index(name)
        return flux, good, kind

    def _pick(self, pool: Tensor, n: int, draw: Generator) -> Tensor:
        """`n` random spectra of a pool, each scaled to a mean of 1, (n, n_pix)."""
        light = pool[torch.randint(len(pool), (n,), generator=draw)]
        return light / masked_mean(light, (light != 0).float()).clamp(min=1e-6)

    def _uniform(self, draw: Generator, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, device=self.wave.device)

    def _lines(self, lines: tuple[tuple[float, float], ...], z: Tensor, sigma: Tensor) -> Tensor:
        """Emission lines (n, n_pix) at redshift z (n, 1), relative width `sigma` (n, 1)."""
        out = torch.zeros(len(z), self.wave.numel(), device=self.wave.device)
        for rest, strength in lines:
            offset = torch.log(self.wave / (rest * (1 + z))) / sigma
            out = out + strength * torch.exp(-0.5 * offset**2)
        return out

    def galaxy(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A sum of F-K stars at z 0.03-0.5, broadened, half of them with nebular lines."""
        n = len(flux)
        cool = pools["cool"]
        pick = torch.randint(len(cool), (3, n), generator=draw)
        weight = self._uniform(draw, 3, n, 1)
        light = (cool[pick] * weight).sum(0)
        z = 0.03 + 0.47 * self._uniform(draw, n, 1) ** 1.5
        ones = (light != 0).float()
        # The blue of a redshifted spectrum comes from outside the grid: extend it flat.
        moved, _ = shift_pixels(light, ones, torch.log10(1 + z) / 1e-4)
        edge = (moved != 0).float()
        fill = masked_mean(moved[:, : moved.shape[1] // 2], edge[:, : moved.shape[1] // 2])
        slope = (self.wave / 4500.0) ** (1.0 + self._uniform(draw, n, 1))
        grain = torch.randn(n, self.wave.numel(), generator=draw)
        width = torch.full((n, 1), 3.0)
        ripple = 1 + 0.04 * gaussian_blur(grain, torch.ones_like(flux), width)
        moved = torch.where(edge > 0, moved, fill * 0.8 * slope * ripple)
        moved = gaussian_blur(moved, torch.ones_like(moved), 2.0 + 1.5 * self._uniform(draw, n, 1))
        on = (self._uniform(draw, n, 1) < 0.5).float() * 1.5 * self._uniform(draw, n, 1) ** 2
        level = masked_mean(moved, torch.ones_like(moved))
        lines = self._lines(NEBULAR, z, 0.0004 + 0.0006 * self._uniform(draw, n, 1))
        return moved + on * level * lines, good

    def quasar(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A power law with broad lines at z 0.1-3."""
        n = len(flux)
        z = 0.1 + 2.9 * self._uniform(draw, n, 1)
        slope = -2.2 + 1.8 * self._uniform(draw, n, 1)
        broad = self._lines(QUASAR, z, 0.006 + 0.012 * self._uniform(draw, n, 1))
        light = (self.wave / 5500.0) ** slope * (1 + (0.4 + self._uniform(draw, n, 1)) * broad)
        return light, good

    def white_dwarf(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A hot continuum with hydrogen (DA, seven in ten), helium (DB, two) or no line (DC).

        Pressure makes the lines broader than a dwarf A star's, whose half width is 8 to 15 A,
        and blends those above H8 away.
        """
        n = len(flux)
        kind = self._uniform(draw, n, 1)
        hydrogen = self._pressed(BALMER[1:], 15 + 35 * self._uniform(draw, n, 1), draw)
        helium = self._pressed(HELIUM, 8 + 20 * self._uniform(draw, n, 1), draw)
        depth = torch.where(kind < 0.7, hydrogen, torch.where(kind < 0.9, helium, 0 * helium))
        slope = (self.wave / 5500.0) ** (-0.5 - 3.0 * self._uniform(draw, n, 1))
        return slope * torch.exp(-depth), good

    def _pressed(self, lines: tuple[float, ...], half: Tensor, draw: Generator) -> Tensor:
        """Optical depth (n, n_pix) of lines with Lorentz wings, half width `half` (n, 1) [A]."""
        depth = (0.15 + 0.85 * self._uniform(draw, len(half), 1)).expand(-1, self.wave.numel())
        profiles = (1 / (1 + ((self.wave - rest) / half) ** 2) for rest in lines)
        return depth * sum(profiles, torch.zeros_like(depth))

    def empty(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """Noise, a wrong sky level and sky-line residue, no star or hardly one."""
        n = len(flux)
        noise = torch.randn(*flux.shape, generator=draw)
        level = 0.4 * self._uniform(draw, n, 1) ** 2
        slope = (self.wave / 6000.0) ** (4 * self._uniform(draw, n, 1) - 2)
        rise = 1 + 3 * self._uniform(draw, n, 1) * torch.exp(-(self.wave - 3700) / 300)
        sky = sky_lines(self.wave) * 6 * self._uniform(draw, n, 1)
        return noise * rise + level * slope + sky, good

    def fault(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """Gross calibration faults: arms that do not join, ripples, an arm of pure sky."""
        n = len(flux)
        step = 2.0 + 4.0 * self._uniform(draw, n, 1)
        step = torch.where(self._uniform(draw, n, 1) < 0.5, step, 1 / step)
        arms = torch.where(self.wave > 5850.0, step, torch.ones_like(step))
        phase = 6.283 * self._uniform(draw, n, 1)
        period = 120 + 500 * self._uniform(draw, n, 1)
        size = 0.35 + 0.5 * self._uniform(draw, n, 1)
        ripple = 1 + size * torch.sin(6.283 * self.wave / period + phase)
        choose = self._uniform(draw, n, 1) < 0.5
        return flux * torch.where(choose, arms.expand_as(flux), ripple), good

    def cataclysmic(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """Strong broad Balmer and helium emission on a blue continuum: interacting binaries."""
        n = len(flux)
        decrement = 0.5 + 0.8 * self._uniform(draw, n, 1)
        helium = ((5877.2, 0.4), (4472.7, 0.25), (4687.0, 0.5 * float(self._uniform(draw, 1))))
        lines = tuple((w, 1.0) for w in BALMER) + helium
        width = 0.0006 + 0.003 * self._uniform(draw, n, 1)
        strength = (0.5 + 3 * self._uniform(draw, n, 1)) * decrement
        emission = self._lines(lines, torch.zeros(n, 1), width)
        slope = (self.wave / 5500.0) ** (-2.5 + 2.5 * self._uniform(draw, n, 1))
        blend = 0.5 * self._uniform(draw, n, 1)
        star = flux / masked_mean(flux, good).clamp(min=1e-6)
        return (blend * star + (1 - blend) * slope) * (1 + strength * emission), good

    def emission_star(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A hot star with Balmer emission that falls along the series: Be, Oe, Ae stars.

        Half of the profiles are double, as a disc seen from its side gives them.
        """
        n = len(flux)
        star = self._pick(pools["hot"], n, draw)
        half = 80.0 + 220.0 * self._uniform(draw, n, 1)  # km/s from the middle to a peak
        apart = half * (self._uniform(draw, n, 1) < 0.5) / 299_792.458
        width = (60.0 + 80.0 * self._uniform(draw, n, 1)) / 299_792.458
        strength = 0.4 + 4.0 * self._uniform(draw, n, 1) ** 2
        falls = 0.15 + 0.3 * self._uniform(draw, n, 1)
        lines = ((6564.6, 1.0), (4862.7, falls), (4341.7, falls**2), (4102.9, falls**3))
        emission = torch.zeros_like(star)
        for rest, share in lines:
            for sign in (-1.0, 1.0):
                offset = (torch.log(self.wave / rest) + sign * apart) / width
                emission = emission + 0.5 * share * torch.exp(-0.5 * offset**2)
        return star * (1 + strength * emission), (star != 0).float()

    def carbon(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A cool star under bands of C2 and CN, each with a head and a tail of its own."""
        n = len(flux)
        star = self._pick(pools["cool"], n, draw)
        depth = torch.zeros_like(star)
        for bands, side in ((C2, -1.0), (CN, 1.0)):
            strength = 0.3 + 1.7 * self._uniform(draw, n, 1)
            for head, deep in bands:
                reach = 40.0 + 140.0 * self._uniform(draw, n, 1)
                x = side * (1.0 if deep > 0 else -1.0) * (self.wave - head)
                inside = torch.exp(-x.clamp(min=0) / reach) * torch.sigmoid(x / 3.0)
                vary = 0.7 + 0.6 * self._uniform(draw, n, 1)
                depth = depth + strength * abs(deep) * vary * inside
        red = (self.wave / 5500.0) ** (2.5 * self._uniform(draw, n, 1))
        return star * red * torch.exp(-depth), (star != 0).float()

    def composite(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """A hot star or a white dwarf and a red star, equally bright somewhere in 5200-8200 A."""
        n = len(flux)
        star, red = self._pick(pools["hot"], n, draw), self._pick(pools["red"], n, draw)
        dwarf, _ = self.white_dwarf(flux, good, pools, draw)
        star = torch.where(self._uniform(draw, n, 1) < 0.3, dwarf, star)
        both = (star != 0) & (red != 0)
        at = 5200.0 + 3000.0 * self._uniform(draw, n, 1)
        near = ((self.wave - at).abs() < 100.0) & both
        level = masked_mean(star, near.float()) / masked_mean(red, near.float()).clamp(min=1e-3)
        return (star + level.clamp(0.05, 20.0) * red) * both, both.float()

    def other(
        self, flux: Tensor, good: Tensor, pools: Mapping[str, Tensor], draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """No astronomical spectrum: read backwards, a lamp's lines, a lamp's continuum."""
        n, n_pix = flux.shape
        lamp = torch.full_like(flux, 0.05)
        for _ in range(24):
            at = 3700 + 5400 * self._uniform(draw, n, 1)
            line = torch.exp(-0.5 * ((self.wave - at) / (1.5 + 2 * self._uniform(draw, n, 1))) ** 2)
            lamp = lamp + 3 * self._uniform(draw, n, 1) ** 3 * line
        knots = torch.rand(n, 1, 6, generator=draw) + 0.2
        smooth = torch.nn.functional.interpolate(knots, size=n_pix, mode="linear").squeeze(1)
        choose = self._uniform(draw, n, 1)
        light = torch.where(choose < 0.4, flux.flip(1), torch.where(choose < 0.7, lamp, smooth))
        return light, torch.where(choose < 0.4, good.flip(1), good)
