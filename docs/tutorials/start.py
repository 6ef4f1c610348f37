"""From arrays to types and on to a table that TOPCAT reads, in five minutes.

Run: python start.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from astropy import units as u

import spectype

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

# A spectrum of your own: any order, any unit, with errors and a mask where you have them. This
# one is a black body of 9,000 K with three Balmer lines and noise, in nanometres.
rng = np.random.default_rng(1)
wave = np.arange(380.0, 880.0, 0.15) * u.nm
angstrom = wave.to_value(u.AA)
flux = (5500 / angstrom) ** 5 / np.expm1(1.4388e8 / (angstrom * 9000))
for centre in (4341.7, 4862.7, 6564.6):
    flux *= 1 - 0.6 * np.exp(-0.5 * ((angstrom - centre) / 12) ** 2)
error = 0.02 * flux
flux = flux + rng.normal(size=flux.size) * error

star = spectype.from_arrays(
    wave, flux, error=error, frame="vacuum", meta={"object": ["my star"], "ra": [187.5]}
)
print(star)

# Types: a polars data frame, a row a spectrum.
model = spectype.load_model()
types = model.predict(star)
print(types.select("object", "subclass", "subclass_error", "luminosity", "type_set", "flag_names"))

# The same as astropy's table, with units and descriptions; and written for TOPCAT.
table = types.to_table()
print(table["ra"].unit, "|", table["subclass_error"].description)
print(types.write(out / "types.vot"), types.write(out / "types.fits"))

# The spectrum with its lines and probabilities.
star.plot(types=types, output=out / "star.png")
