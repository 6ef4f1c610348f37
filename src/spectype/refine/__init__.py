"""Refined simulated stars, and any generator's stars made to order."""
