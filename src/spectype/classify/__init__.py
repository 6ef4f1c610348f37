"""From spectra to types with a trained model: no torch here."""
