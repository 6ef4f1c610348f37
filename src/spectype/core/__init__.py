"""The nouns every room shares: spectra, MK types, wavelength grids, lines, flags, errors."""
