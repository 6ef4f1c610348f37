"""The classifier: its network, training, export and calibration (torch)."""
