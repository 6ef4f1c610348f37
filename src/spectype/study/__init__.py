"""The 2022 study repeated: its network, its sweeps, and the audit of its O score."""
