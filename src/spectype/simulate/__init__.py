"""A simulated release: a star's light, the instrument, a survey on disk."""
