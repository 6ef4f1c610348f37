"""Ten million spectra: deal out the work, type it piece by piece, prove that all of it is there."""
