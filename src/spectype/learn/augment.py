"""Physical augmentation on the fly: what instruments, dust and orbits do to a spectrum.

Everything acts on flux (n, n_pix) and good pixels (n, n_pix; 1 or 0) on the log grid, before
the network takes the continuum out, with a generator that makes it reproducible.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from spectype.core.dust import extinction
from spectype.learn.recipe import AugmentConfig

#: Telluric bands [Angstrom, vacuum]: O2 B and A, water.
TELLURIC = ((6864, 6950), (7164, 7340), (7592, 7704), (8105, 8345), (8920, 9100))
KMS_PER_PIXEL = 69.03  #: velocity of 1e-4 in log10 of wavelength


class Augment:
    """Draws a fresh version of each spectrum of a batch.

    Parameters
    ----------
    config : AugmentConfig
        Strengths.
    wave : Tensor, shape (n_pix,)
        The grid [Angstrom].
    """

    def __init__(self, config: AugmentConfig, wave: Tensor) -> None:
        self.config = config
        self.wave = wave.float()
        self.x = torch.linspace(-1, 1, wave.numel(), device=wave.device)
        curve = extinction(wave.double().cpu().numpy())
        self.extinction = torch.from_numpy(curve).to(self.wave)  # A(lambda) / E(B-V)
        self.air = torch.zeros_like(self.wave, dtype=torch.bool)
        for low, high in TELLURIC:
            self.air |= (self.wave > low) & (self.wave < high)

    def __call__(self, flux: Tensor, good: Tensor, draw: Generator) -> tuple[Tensor, Tensor]:
        """Augment `flux`, `good` (n, n_pix each); the pair of new tensors is returned."""
        flux, good = self.move(flux, good, draw)
        flux = self.broaden(flux, good, draw)
        flux = flux * self.colour(len(flux), draw)
        good = self.cover(good, draw)
        flux = self.add_noise(flux, good, draw)
        return flux * good, good

    def uniform(self, draw: Generator, *shape: int) -> Tensor:
        """Uniform numbers in 0..1 from the generator."""
        return torch.rand(*shape, generator=draw, device=self.wave.device)

    def normal(self, draw: Generator, *shape: int) -> Tensor:
        """Standard normal numbers from the generator."""
        return torch.randn(*shape, generator=draw, device=self.wave.device)

    def move(self, flux: Tensor, good: Tensor, draw: Generator) -> tuple[Tensor, Tensor]:
        """Radial velocity: shift along the log grid, linear between pixels."""
        spread = self.config.velocity / KMS_PER_PIXEL
        shift = spread * self.normal(draw, len(flux), 1).clamp(-3, 3)
        return shift_pixels(flux, good, shift)

    def broaden(self, flux: Tensor, good: Tensor, draw: Generator) -> Tensor:
        """Lower resolution or rotation, for half of the spectra."""
        n = len(flux)
        on = self.uniform(draw, n) < 0.5
        sigma = (self.config.blur * self.uniform(draw, n, 1) ** 1.5).clamp(min=0.05)
        if not on.any():
            return flux
        flux = flux.clone()
        flux[on] = gaussian_blur(flux[on], good[on], sigma[on])
        return flux

    def colour(self, n: int, draw: Generator) -> Tensor:
        """Reddening (CCM89) times a smooth flux-calibration error and a step between arms."""
        c = self.config
        excess = c.reddening * (1.25 * self.uniform(draw, n, 1) ** 2 - 0.25)
        excess = excess * (self.uniform(draw, n, 1) < 0.7)
        tilt = (
            c.tilt * self.normal(draw, n, 3) * torch.tensor([1.0, 0.5, 0.25], device=self.x.device)
        )
        basis = torch.stack([self.x, self.x**2 - 1 / 3, self.x**3 - 0.6 * self.x])
        step = 0.1 * c.tilt * self.normal(draw, n, 1) * (self.wave > 5850.0)
        log_flux = -0.4 * 2.302585 * excess * self.extinction + tilt @ basis + step
        log_flux = log_flux + self.ripple(n, draw)
        return torch.exp(log_flux - log_flux.mean(1, keepdim=True))

    def ripple(self, n: int, draw: Generator) -> Tensor:
        """A wave of up to 5 % whose phase and height drift along the spectrum, (n, n_pix)."""
        u = self.uniform(draw, n, 6)
        period = 40.0 * (250.0 / 40.0) ** u[:, 0:1]
        phase = 6.2832 * (self.wave / period + u[:, 1:2] + 2 * u[:, 2:3] * self.x**2)
        height = 0.05 * u[:, 3:4] * (1 + (2 * u[:, 4:5] - 1) * self.x)
        return height * torch.sin(phase) * (u[:, 5:6] < self.config.ripple)

    def cover(self, good: Tensor, draw: Generator) -> Tensor:
        """Cut the coverage as other instruments do, and open gaps."""
        n, w = len(good), self.wave
        u = self.uniform(draw, n, 6)
        # Starts and ends as found in the wild: spectrographs that see the blue only, MK
        # plates of 3800-4620 A, libraries that end at 7400 A, red arms alone.
        start = 3700 + 2000 * u[:, 0:1] ** 3
        end = torch.where(u[:, 1:2] < 0.5, 4500 + 1300 * u[:, 2:3], 5800 + 3300 * u[:, 2:3])
        end = torch.maximum(end, start + 700)
        keep = (w >= start) & (w <= end)
        cut = u[:, 3:4] < self.config.cut
        good = torch.where(cut, good * keep, good)
        for _ in range(2):
            g = self.uniform(draw, n, 3)
            middle, half = 3700 + 5400 * g[:, 0:1], 5 + 120 * g[:, 1:2] ** 2
            gap = ((w - middle).abs() < half) & (g[:, 2:3] < self.config.gaps)
            good = good * ~gap
        under_air = self.uniform(draw, n, 1) < self.config.telluric
        return good * ~(under_air & self.air)

    def add_noise(self, flux: Tensor, good: Tensor, draw: Generator) -> Tensor:
        """Photon and sky noise to a drawn S/N; sky residuals; a wrong sky level."""
        c, n, w = self.config, len(flux), self.wave
        level = masked_mean(flux.abs(), good).clamp(min=1e-6)
        log_range = torch.log(torch.tensor(300.0 / c.faintest))
        snr = c.faintest * torch.exp(self.uniform(draw, n, 1) * log_range)
        u = self.uniform(draw, n, 5)
        # Variance: sky (flat, rising at both ends where the throughput falls) and photons.
        blue = 1 + 6 * u[:, 0:1] * torch.exp(-(w - 3700) / 250)
        red = 1 + 3 * u[:, 1:2] * torch.exp((w - 9100) / 250)
        photons = flux.clamp(min=0) / level
        scatter = torch.sqrt(blue * red * (0.5 + 0.5 * photons)) * level / snr
        on = (u[:, 2:3] < c.noise).float()
        noise = scatter * self.normal(draw, *flux.shape) * on
        sky_on = (u[:, 3:4] < c.sky).float()
        residual = sky_lines(w) * self.normal(draw, n, 1) * level * 0.3
        offset = 0.05 * level * self.normal(draw, n, 1)
        return flux + noise + sky_on * (residual + offset)


def sky_lines(wave: Tensor) -> Tensor:
    """A pattern of night-sky lines (vacuum; [O I] 5578.9, 6302.0, 6365.5 and the OH bands)."""
    oh = (7278, 7342, 7718, 7796, 7966, 8347, 8402, 8433, 8468, 8763, 8829, 8888, 8922, 8961)
    lines = (5578.9, 5578.9, 6302.0, 6365.5, *oh)
    out = torch.zeros_like(wave)
    for i, line in enumerate(lines):
        sign = 1.0 if i % 2 == 0 else -0.6
        out = out + sign * torch.exp(-0.5 * ((wave - line) / 2.0) ** 2)
    return out


def masked_mean(values: Tensor, good: Tensor) -> Tensor:
    """Mean over good pixels, shape (n, 1)."""
    return (values * good).sum(1, keepdim=True) / good.sum(1, keepdim=True).clamp(min=1)


def shift_pixels(flux: Tensor, good: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Shift each row to the red by `shift` (n, 1) pixels; what comes from outside is bad."""
    n_pix = flux.shape[1]
    where = torch.arange(n_pix, device=flux.device, dtype=torch.float32) - shift
    low = where.floor()
    part = where - low
    inside = ((low >= 0) & (low < n_pix - 1)).float()
    index = low.long().clamp(0, n_pix - 2)
    left, right = flux.gather(1, index), flux.gather(1, index + 1)
    ok = good.gather(1, index) * good.gather(1, index + 1) * inside
    return (left + part * (right - left)) * ok, ok


def gaussian_blur(flux: Tensor, good: Tensor, sigma: Tensor, reach: int = 12) -> Tensor:
    """Convolve each row with its own Gaussian of `sigma` (n, 1) pixels, masks respected."""
    x = torch.arange(-reach, reach + 1, device=flux.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).unsqueeze(1)
    n = len(flux)

    def convolve(values: Tensor) -> Tensor:
        return functional.conv1d(values.unsqueeze(0), kernel, padding=reach, groups=n).squeeze(0)

    return convolve(flux * good) / convolve(good).clamp(min=1e-3) * good
