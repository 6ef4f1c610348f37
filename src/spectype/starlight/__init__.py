"""What light leaves a star? Model atmospheres, opacities, lines and molecules, in numpy alone."""
