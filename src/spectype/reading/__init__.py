"""What the arrays of a file mean: roles, units, frame, errors, masks, rows; each decision noted."""
