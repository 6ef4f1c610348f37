"""How a spectrum, a comparison and a page look, and where figures are written."""
