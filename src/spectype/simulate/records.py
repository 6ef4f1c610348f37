"""What a simulated release says of its spectra: labels, headers, catalogue lines, the truth."""

from __future__ import annotations

import datetime
from dataclasses import fields
from typing import Any

import numpy as np

from spectype.core import mk
from spectype.simulate.layouts import Layout
from spectype.simulate.objects import Target
from spectype.simulate.plan import Plan
from spectype.surveys.lamost_names import file_name

COLUMNS = (
    ["obsid", "designation", "obsdate", "lmjd", "mjd", "planid", "spid", "fiberid", "ra", "dec"]
    + [f"snr{band}" for band in "ugriz"]
    + ["objtype", "class", "subclass", "z", "z_err", "magtype"]
    + [f"mag{i}" for i in range(1, 8)]
    + ["tsource", "fibertype", "tfrom", "tcomment", "file"]
)
_TRUTH = tuple(f.name for f in fields(Target) if f.name != "height")
_RELEASES = {
    "image-subcontinuum": "LAMOST DR1", "image-wavelength": "LAMOST DR6",
    "bintable-coadd": "LAMOST DR9",
}  # fmt: skip


def label(
    target: Target, *, snr: float, layout: Layout, noise: float, rng: np.random.Generator
) -> tuple[str, str]:
    """CLASS and SUBCLASS as LAMOST spells them, with errors like LAMOST's.

    Two exposures of one star differ by 1.7 subclasses on average at S/N 20-50 and by 0.7 above
    50; a single label thus scatters by 1.5 and 0.62. Of B stars the survey's templates know only
    B6 and B9; the spelling of A stars carries a luminosity class in the older layouts.
    """
    if target.kind in ("GALAXY", "QSO"):
        return target.kind, "Non"
    if target.kind == "Unknown":
        return "Unknown", "Non"
    if target.kind in ("DoubleStar", "WD", "Carbon"):
        return "STAR", target.kind
    scatter = np.interp(np.log(snr), np.log([5.0, 10.0, 35.0, 100.0]), [2.5, 1.9, 1.5, 0.62])
    code = target.code + noise * float(scatter) * float(rng.standard_normal())
    type_, sub = mk.split(float(np.clip(np.floor(code + 0.5 - 1e-9), 3, 69)))
    digit = int(sub)
    older = layout != "bintable-coadd"
    if type_ == "O":
        return "STAR", "O" if rng.random() < 0.8 else "OB"
    if type_ == "B":
        return "STAR", "B6" if digit < 8 else "B9"
    if type_ == "A" and older:
        shown = target.luminosity if target.luminosity in ("III", "IV", "V") else "III"
        return "STAR", f"A{digit}{shown}"
    if type_ == "M" and not older:
        return "STAR", f"{'g' if target.height > 0.75 else 'd'}M{digit}"
    return "STAR", f"{type_}{digit}"


def header_of(
    target: Target, plan: Plan, i: int, *, snr: dict[str, float], layout: Layout,
    night: datetime.date, label_noise: float, rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """What the file of the `i`-th planned spectrum says of it; `snr` by band."""
    class_, subclass = label(
        target, snr=max(snr["g"], 1.0), layout=layout, noise=label_noise, rng=rng
    )
    error = 1e-5 + 2e-4 / max(snr["g"], 1.0)
    known = class_ != "Unknown"
    magnitude = 17.5 - 2.5 * np.log10(max(snr["g"], 1.0) / 20)
    spid, fiber = int(plan.spid[i]), int(plan.fiberid[i])
    name = file_name(int(plan.lmjd[i]), str(plan.planid[i]), spid, fiber).removesuffix(".gz")
    return {
        "filename": name, "obsid": plan.obsid(i), "release": _RELEASES[layout],
        "date": f"{night + datetime.timedelta(days=700)}T06:14:25",
        "date_obs": f"{night}T15:59:00", "obsdate": str(night),
        "lmjd": int(plan.lmjd[i]), "mjd": int(plan.lmjd[i]) - 1, "planid": str(plan.planid[i]),
        "spid": spid, "fiberid": fiber, "ra": float(plan.ra[i]), "dec": float(plan.dec[i]),
        "designation": designation(float(plan.ra[i]), float(plan.dec[i])),
        "objname": str(240000000000000 + int(plan.star[i])),
        "objtype": {"GALAXY": "Galaxy", "QSO": "QSO"}.get(target.kind, "Star"),
        "class": class_, "subclass": subclass,
        "z": target.redshift + error * rng.standard_normal() if known else -9999.0,
        "z_err": error if known else -9999.0, "helio_rv": float(rng.uniform(-29, 29)),
        "mag_g": magnitude, "mag_r": magnitude - 0.4, "mag_i": magnitude - 0.6,
        **{f"snr{band}": value for band, value in snr.items()},
    }  # fmt: skip


def designation(ra: float, dec: float) -> str:
    """``Jhhmmss.ss+ddmmss.s`` of a position [degree], truncated as the IAU asks."""
    seconds = int(ra / 15 * 360000)
    arc = int(abs(dec) * 36000)
    hours = f"{seconds // 360000:02d}{seconds // 6000 % 60:02d}{seconds % 6000 / 100:05.2f}"
    degrees = f"{arc // 36000:02d}{arc // 600 % 60:02d}{arc % 600 / 10:04.1f}"
    return f"J{hours}{'-' if dec < 0 else '+'}{degrees}"


def catalogue_line(header: dict[str, Any], name: str) -> str:
    """The catalogue's line, in the order of `COLUMNS`, for the file `name`."""
    values = dict.fromkeys(COLUMNS, "") | {c: str(v) for c, v in header.items()}
    values |= {
        "ra": f"{header['ra']:.6f}", "dec": f"{header['dec']:.6f}", "z": f"{header['z']:.8f}",
        "z_err": f"{header['z_err']:.2e}", "magtype": "ugrizjh", "mag1": "99.0",
        "mag2": f"{header['mag_g']:.2f}", "mag3": f"{header['mag_r']:.2f}",
        "mag4": f"{header['mag_i']:.2f}", "mag5": "99.0", "mag6": "99.0", "mag7": "99.0",
        "tsource": "SIMULATION", "fibertype": "Obj", "tfrom": "-", "tcomment": ".", "file": name,
    }  # fmt: skip
    return "|".join(values[column] for column in COLUMNS)


def truth_row(
    target: Target, plan: Plan, i: int, header: dict[str, Any], path: str
) -> dict[str, Any]:
    """What was simulated, beside what the header says of it."""
    star = np.isfinite(target.code) and target.kind not in ("GALAXY", "QSO")
    truth = {name: getattr(target, name) for name in _TRUTH}
    return {
        "path": path, "obsid": header["obsid"], "target": int(plan.star[i]), **truth,
        "type": mk.type_of(target.code) if star else "",
        "snr_g": header["snrg"], "class": header["class"], "label": header["subclass"],
    }  # fmt: skip
