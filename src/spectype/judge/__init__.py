"""How good is it? Metrics, calibration, figures, the report."""
