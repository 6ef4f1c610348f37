"""Spectra of rare stars: the GAN, the factor model, their samples (torch)."""
