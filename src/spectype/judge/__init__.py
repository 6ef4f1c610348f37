"""How good is a classifier on stars it has not seen? Scores, stress, the report."""
