"""Figures for a paper: one and two columns, PDF and PNG, from files or from arrays.

Run: python figures.py RELEASE FOLDER
"""

import sys
from pathlib import Path

import spectype
from spectype.cli import run

release, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
# The two of the best signal-to-noise ratio.
files = map(str, release.rglob("*.fits.gz"))
one, other = sorted(files, key=lambda name: -spectype.read(name).snr()[0])[:2]

# On the command line: as wide as a column (88 mm) or two (180 mm), letters as large in both.
assert run(["plot", "spectrum", one, "--width", "two", "-o", f"{out}/two.pdf"]) == 0
assert run(["plot", "spectrum", one, "--width", "one", "--dpi", "300", "-o", f"{out}/one.png"]) == 0
assert run(["plot", "compare", one, other, "--offset", "1", "-o", f"{out}/compare.svg"]) == 0

# In Python a figure is matplotlib's own: change what you like, and save it.
spectra = spectype.read(one)
types = spectype.load_model().predict(spectra)
figure = spectra.plot(types=types, between=(4000, 5000), width="two")
figure.axes[0].set_title("the blue")
figure.savefig(out / "blue.pdf")
