"""The registry: each survey is recognised by its structure and read as promised."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from astropy.io import fits

from spectype.core.errors import UsageError
from spectype.core.grid import air_to_vacuum, log_grid
from spectype.formats.source import load
from spectype.surveys import SURVEYS, jacoby, read
from spectype.surveys.sdss import BAD_BITS
from tests.surveys.miniature import lamost_bytes, lamost_rows, table_bytes, to_bytes, write

RNG = np.random.default_rng(5)
SDSS_WAVE = log_grid(3.5793, n_pix=500)
ATLAS_WAVE = (3510.0 + 1.4 * np.arange(2799)).astype(np.float32)


def sdss_spec(*, upper: bool = False) -> bytes:
    """A spec-PLATE-MJD-FIBER file: COADD and SPECOBJ tables."""
    mask = np.zeros(500, np.int32)
    mask[10] = 1 << 23  # BRIGHTSKY
    mask[20] = 1 << 16  # NEARBADPIXEL: harmless
    ivar = np.full(500, 4.0, np.float32)
    ivar[30] = 0
    columns = {
        "flux": np.linspace(1, 2, 500).astype(np.float32),
        "loglam": np.log10(SDSS_WAVE).astype(np.float32),
        "ivar": ivar,
        "and_mask": mask,
        "or_mask": np.full(500, 1 << 17, np.int32),
    }
    formats = {"f4": "E", "i4": "J"}
    coadd = fits.BinTableHDU.from_columns(
        [
            fits.Column(n.upper() if upper else n, formats[v.dtype.str[1:]], array=v)
            for n, v in columns.items()
        ],
        name="COADD",
    )
    about = fits.BinTableHDU.from_columns(
        [
            fits.Column("PLATE", "J", array=[306]),
            fits.Column("MJD", "J", array=[51637]),
            fits.Column("FIBERID", "J", array=[4]),
            fits.Column("CLASS", "6A", array=["STAR"]),
            fits.Column("SUBCLASS", "21A", array=["K1"]),
            fits.Column("Z", "E", array=[1e-4]),
            fits.Column("PLUG_RA", "D", array=[200.5]),
            fits.Column("PLUG_DEC", "D", array=[-0.25]),
            fits.Column("SN_MEDIAN", "5E", array=[[1.0, 12.5, 20.0, 21.0, 9.0]]),
            fits.Column("THING_ID", "J", array=[77]),
        ],
        name="SPECOBJ",
    )
    return to_bytes([fits.PrimaryHDU(), coadd, about])


def sdss_spspec() -> bytes:
    rows = np.zeros((5, 500), np.float32)
    rows[0], rows[2] = 3.0, 0.5
    rows[2, 40] = 0
    hdu = fits.PrimaryHDU(rows)
    for key, value in {
        "TELESCOP": "SDSS 2.5-M", "COEFF0": 3.5793, "COEFF1": 1e-4, "RAOBJ": 10.5, "DECOBJ": -1.5,
        "PLATEID": 306, "MJD": 51637, "FIBERID": 4,
    }.items():  # fmt: skip
        hdu.header[key] = value
    return to_bytes([hdu])


def sdss_eigenstar() -> bytes:
    rows = RNG.uniform(1, 2, (3, 500)).astype(np.float32)
    rows[1, :50] = rows[1, 200:210] = 0
    hdu = fits.PrimaryHDU(rows)
    for key, value in {
        "OBJECT": "STAR", "COEFF0": 3.5793, "COEFF1": 1e-4, "NAME0": "A0", "NAME1": "M5",
        "NAME2": "Carbon_lines",
    }.items():  # fmt: skip
        hdu.header[key] = value
    return to_bytes([hdu])


def jacoby_file() -> bytes:
    return table_bytes(
        {"WAVELENGTH": ATLAS_WAVE, "FLUX": np.full(2799, 1e-13, np.float32)},
        OBJECT="HD 242908",
        SPTYPE="O5V",
    )


def calspec_file() -> bytes:
    columns = {
        "WAVELENGTH": np.linspace(3000, 9000, 400),
        "FLUX": np.full(400, 1e-13, np.float32),
        "STATERROR": np.full(400, 1e-15, np.float32),
        "SYSERROR": np.full(400, 1e-15, np.float32),
        "FWHM": np.full(400, 5.0, np.float32),
        "TOTEXP": np.ones(400, np.float32),
        "DATAQUAL": np.r_[np.ones(395, np.int32), np.zeros(5, np.int32)],
    }
    return table_bytes(columns)


def pickles_file() -> bytes:
    primary = fits.PrimaryHDU()
    primary.header["COMMENT1"] = "spectral type: G2V"
    primary.header["HISTORY"] = "SEDs from Pickles UVKLIB Library (1998, PASP 110, 863)."
    columns = [
        fits.Column("WAVELENGTH", "E", array=np.arange(1150, 25000, 5)),
        fits.Column("FLUX", "E", array=np.ones(4770)),
    ]
    return to_bytes([primary, fits.BinTableHDU.from_columns(columns)])


def miles_file() -> bytes:
    hdu = fits.PrimaryHDU(np.ones(900))
    hdu.header.update({"TPLLIB": "MILES", "CRVAL1": 3540.5, "CDELT1": 0.9, "CRPIX1": 1})
    return to_bytes([hdu])


def pyhammer_file() -> bytes:
    columns = {
        "LogLam": np.log10(SDSS_WAVE),
        "Flux": np.ones(500, np.float32),
        "PropErr": np.full(500, 0.1, np.float32),
    }
    return table_bytes(columns)


def bochanski_file() -> bytes:
    wave = np.arange(3825.0, 3875.0, 0.1)
    return "".join(f"{w:.1f}\t0.5\t0.1\n" for w in wave).encode()


def mrs_file() -> bytes:
    """A LAMOST medium-resolution file: coadds and one exposure, two arms each."""
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update({"TELESCOP": "LAMOST", "OBSID": 601234567, "RA": 10.5})
    for name in ("COADD_{}", "{}-84220001"):
        for arm, low, high in (("B", 4950, 5350), ("R", 6300, 6800)):
            wave = np.arange(low, high, 0.2)
            columns = {"FLUX": wave * 0 + 3, "IVAR": wave * 0 + 4, "LOGLAM": np.log10(wave)}
            hdus.append(
                fits.BinTableHDU.from_columns(
                    [fits.Column(n, f"{wave.size}D", array=v[None]) for n, v in columns.items()],
                    name=name.format(arm),
                )
            )
    return to_bytes(hdus)


def desi_file() -> bytes:
    """A DESI coadd of two targets, arms b and r on one grid of 0.8 A."""
    about = {
        "TARGETID": np.array([39627, 39628]),
        "TARGET_RA": np.array([10.5, 20.5]),
        "TARGET_DEC": np.array([-1.5, 1.5]),
        "FLUX_R": np.ones(2),
    }
    formats = {"i": "K", "f": "D"}
    table = [fits.Column(n, formats[v.dtype.kind], array=v) for n, v in about.items()]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(table, name="FIBERMAP")]
    for arm, low, high in (("B", 3600, 5800), ("R", 5760, 7620)):
        wave = low + 0.8 * np.arange(int((high - low) / 0.8) + 1)
        flux = np.stack([wave * 0 + 2, wave * 0 + 3])
        mask = np.zeros(flux.shape, np.int32)
        mask[0, 5] = 4
        for name, data in (("WAVELENGTH", wave), ("FLUX", flux), ("IVAR", flux), ("MASK", mask)):
            hdus.append(fits.ImageHDU(data, name=f"{arm}_{name}"))
    return to_bytes(hdus)


def mwm_file(kind: str = "mwmStar") -> bytes:
    """An SDSS-V file: an optical table and an infrared one, two visits or one star a table."""
    primary = fits.PrimaryHDU()
    primary.header.update({"V_ASTRA": "0.6.0", "SDSS_ID": 54392544, "RA": 10.5, "DEC": -1.5})
    n = 1 if kind == "mwmStar" else 2
    hdus = [primary]
    for name, start in (("BOSS/APO", 3.5523), ("APOGEE/APO", 4.179)):
        log = start + 1e-4 * np.arange(4648)
        columns = {"flux": log * 0 + 3, "ivar": log * 0 + 4, "pixel_flags": np.zeros(log.size, int)}
        made = [
            fits.Column(k, f"{log.size}{'DK'[k == 'pixel_flags']}", array=np.tile(v, (n, 1)))
            for k, v in columns.items()
        ]
        if kind == "mwmStar":
            made.append(fits.Column("wavelength", f"{log.size}D", array=10 ** log[None]))
        else:
            made.append(fits.Column("mjd", "J", array=[59000, 59001]))
        hdu = fits.BinTableHDU.from_columns(made, name=name)
        hdu.header.update({"CRVAL": start, "CDELT": 1e-4, "NPIXELS": log.size})
        hdus.append(hdu)
    return to_bytes(hdus)


def library_file() -> bytes:
    """A star of a library that is known by its name: wavelength and flux, no word of the frame."""
    wave = np.arange(4000.0, 6000.0, 1.3)
    return table_bytes({"WAVELENGTH": wave, "FLUX": np.ones(wave.size)}, OBJECT="HD 1")


FILES = {
    "lamost_mrs": ("med-58025-HIP1_sp05-068.fits.gz", mrs_file()),
    "desi": ("coadd-main-dark-100.fits", desi_file()),
    "sdss_v": ("mwmStar-0.6.0-54392544.fits", mwm_file()),
    "stelib": ("STELIB_v3.2_HD002857.fits", library_file()),
    "indo_us": ("spEigenStar-55734_000_spectrum.fits", library_file()),
    "melchiors": ("melchiors__HD1_475111.fits", library_file()),
    "kesseli": ("kesseli__K70_Gl143-1_kesseli2019.fits", library_file()),
    "krisciunas": ("Krisciunas2017__hr0099_final_spectrum.fits", library_file()),
    "mastar": ("mastar_example_000_spectrum.fits", library_file()),
    "sdss_dr2": ("sdss_dr2__sdssAstar.fits", library_file()),
    "sdss_cv": ("spec-0306-51637-0004-catB.dat.gz", bochanski_file()),
    "lamost": ("a.fits.gz", lamost_bytes(lamost_rows(), "bintable-coadd")),
    "sdss": ("a.fits", sdss_spec()),
    "jacoby": ("jc_17.fits", jacoby_file()),
    "miles": ("a.fits", miles_file()),
    "pickles": ("a.fits", pickles_file()),
    "calspec": ("a.fits", calspec_file()),
    "sdss_templates": ("a.fits", pyhammer_file()),
    "bochanski": ("M00_SDSS_bochanski2007.txt.gz", bochanski_file()),
}
AIR = ("jacoby", "miles", "pickles", "stelib", "indo_us", "melchiors", "krisciunas")
FRAMES = dict.fromkeys(FILES, "vacuum") | dict.fromkeys(AIR, "air")
META = {
    "path", "index", "survey", "layout", "object", "obsid", "ra", "dec", "class", "subclass",
    "redshift", "snr", "snr_u", "snr_g", "snr_r", "snr_i", "snr_z", "star_id", "has_errors",
    "wave_frame", "notes",
}  # fmt: skip


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: survey.name)
def test_each_survey_keeps_the_contract(tmp_path, survey) -> None:
    name, content = FILES[survey.name]
    path = write(tmp_path / name, content)
    source = load(path)
    assert [other.name for other in SURVEYS if other.recognise(source)] == [survey.name]
    spectra = read(path)
    assert set(spectra.meta) >= META
    assert set(spectra.get("survey")) == {survey.name}
    assert set(spectra.get("wave_frame")) == {FRAMES[survey.name]}
    assert spectra.wave.dtype == np.float64
    assert (spectra.flux.dtype, spectra.ivar.dtype) == (np.float32, np.float32)
    assert spectra.mask.dtype == bool
    assert (np.diff(spectra.wave) > 0).all()
    assert ((spectra.ivar == 0) == spectra.mask).all()
    assert np.isfinite(spectra.flux[~spectra.mask]).all()
    assert survey.title and any(digit.isdigit() for digit in survey.citation)
    other = {"air": "vacuum", "vacuum": "air"}[FRAMES[survey.name]]
    asked = read(path, frame=other)  # the survey's frame is known: a note, no shift
    assert np.array_equal(asked.wave, spectra.wave)
    assert f"frame {other} asked for" in asked.get("notes")[0]


def test_names_of_surveys_are_unique() -> None:
    assert len({survey.name for survey in SURVEYS}) == len(SURVEYS) == len(FILES)


@pytest.mark.parametrize("upper", [False, True])
def test_sdss_spec(tmp_path, upper) -> None:
    spectra = read(write(tmp_path / "a.fits", sdss_spec(upper=upper)))
    assert np.allclose(spectra.wave, SDSS_WAVE, rtol=1e-6)
    assert np.allclose(spectra.flux[0], np.linspace(1, 2, 500))
    # NEARBADPIXEL and the or-mask do not condemn a pixel; BRIGHTSKY and ivar 0 do.
    assert np.flatnonzero(spectra.mask[0]).tolist() == [10, 30]
    expected = {
        "obsid": "0306-51637-0004", "class": "STAR", "subclass": "K1", "ra": 200.5, "dec": -0.25,
        "snr": 12.5, "snr_z": 9.0, "star_id": "SDSS 77",
    }  # fmt: skip
    assert {name: spectra.get(name)[0] for name in expected} == expected
    assert np.isclose(spectra.get("redshift")[0], 1e-4)
    assert BAD_BITS & (1 << 23) and not BAD_BITS & (1 << 16)


def test_sdss_spspec(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fit", sdss_spspec()))
    assert np.allclose(spectra.wave, SDSS_WAVE)
    assert (spectra.flux == 3.0).all()
    assert np.flatnonzero(spectra.mask[0]).tolist() == [40]
    assert (spectra.ivar[~spectra.mask] == 4.0).all()
    assert spectra.get("obsid") == ["0306-51637-0004"]
    assert (spectra.get("ra"), spectra.get("dec")) == ([10.5], [-1.5])


def test_sdss_templates_are_a_spectrum_a_row(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", sdss_eigenstar()))
    assert spectra.get("subclass") == ["A0", "M5", "Carbon_lines"]
    assert spectra.get("survey") == ["sdss_eigenstar"] * 3
    assert np.allclose(spectra.wave, SDSS_WAVE)
    assert np.flatnonzero(spectra.mask[1]).tolist() == [*range(50), *range(200, 210)]
    assert not spectra.mask[[0, 2]].any()


def test_jacoby(tmp_path) -> None:
    spectra = read(write(tmp_path / "jc_17.fits", jacoby_file()))
    assert np.allclose(spectra.wave, air_to_vacuum(ATLAS_WAVE))
    expected = {"object": "HD 242908", "subclass": "O5V", "class": "STAR", "obsid": "jc_17"}
    assert {name: spectra.get(name)[0] for name in expected} == expected
    assert spectra.get("has_errors") == [False]
    assert np.isclose(spectra.flux[0, 0] * spectra.get("flux_scale")[0], 1e-13)


def test_jacoby_names_and_addresses() -> None:
    assert jacoby.file_name(161) == "jc_161.fits"
    assert jacoby.spectrum_url(1).endswith("/cdbs/grid/jacobi/jc_1.fits")
    with pytest.raises(UsageError, match="no star 162"):
        jacoby.file_name(162)


def test_medium_resolution_joins_the_arms_of_the_coadd(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", mrs_file()))
    assert (spectra.get("obsid"), spectra.get("ra")) == (["601234567"], [10.5])
    assert np.isclose(spectra.wave[0], 4950) and np.isclose(spectra.wave[-1], 6799.8)
    assert "2 arms of single exposures left out" in spectra.get("notes")[0]


def test_desi_gives_a_target_a_row_with_its_arms_joined(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", desi_file()))
    assert spectra.get("obsid") == ["39627", "39628"]
    assert spectra.get("ra") == [10.5, 20.5]
    step = np.diff(spectra.wave)
    assert np.allclose(step, 0.8)  # pixels of both arms are one pixel where they overlap
    overlap = (spectra.wave > 5760) & (spectra.wave < 5800)
    assert np.allclose(spectra.ivar[1][overlap], 6) and np.allclose(spectra.flux[1], 3)
    assert np.flatnonzero(spectra.mask[0]).tolist() == [5]


@pytest.mark.parametrize(("kind", "rows"), [("mwmStar", 1), ("mwmVisit", 2)])
def test_sdss_v_reads_the_optical_tables(tmp_path, kind, rows) -> None:
    spectra = read(write(tmp_path / "a.fits", mwm_file(kind)))
    assert spectra.get("layout") == [kind] * rows
    assert np.isclose(spectra.wave[0], 10**3.5523)
    assert "1 infrared tables left out" in spectra.get("notes")[0]


def test_calspec_quality_says_good(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", calspec_file()))
    assert np.flatnonzero(spectra.mask[0]).tolist() == list(range(395, 400))
    assert np.allclose(spectra.snr(), 100, rtol=1e-4)


def test_pickles_type_stands_in_a_comment(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", pickles_file()))
    assert (spectra.get("subclass"), spectra.get("class")) == (["G2V"], ["STAR"])


def test_columns_by_the_user_leave_the_surveys_out(tmp_path) -> None:
    path = write(tmp_path / "a.fits", sdss_spec())
    spectra = read(path, columns="wave=loglam,flux=ivar")
    assert spectra.get("survey") == ["table"]
    assert np.median(spectra.flux) == 4.0


@pytest.mark.real
def test_real_library_files_are_read_as_their_labels_say(real_data) -> None:
    """A quarter of the files of each library, all of small ones."""
    with (real_data / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["survey"].startswith("LAMOST")]
    generic = {"sdss_faststars"}  # bare text on the SDSS grid
    seen: dict[str, list[str]] = {}
    for row in rows:
        paths = seen.setdefault(row["survey"], [])
        if row["path"] in paths:
            continue  # another row of a file with many spectra
        paths.append(row["path"])
        if len(paths) > 8 and len(paths) % 4:
            continue
        spectra = read(real_data / row["path"])
        frame = "vacuum" if "vacuum" in row["wave_frame"] else "air"
        assert set(spectra.get("wave_frame")) == {frame}, row["path"]
        survey = "table" if row["survey"] in generic else row["survey"]
        assert set(spectra.get("survey")) == {survey}, row["path"]
        assert not spectra.mask.all(axis=1).any(), row["path"]
        low = float(row["wave_min"])
        # Of these the table of labels gives the good part.
        if survey not in ("calspec", "sdss_eigenstar", "krisciunas", "stelib", "mastar"):
            low = float(air_to_vacuum(low)) if frame == "air" else low
            assert abs(spectra.wave[0] - low) < 0.06, row["path"]
            assert abs(spectra.n_pix - int(row["n_pix"])) <= 1
        if len(spectra) == 1 and spectra.get("subclass")[0]:
            assert row["subclass"].startswith(spectra.get("subclass")[0]), row["path"]
    assert sum(map(len, seen.values())) > 1900
    assert len(seen) == 17


@pytest.mark.real
def test_air_and_vacuum_libraries_agree_on_h_beta(real_data) -> None:
    """The A stars of four libraries, air or vacuum, put H beta at 4862.7 A in vacuum."""
    for path in (
        "libraries/jacoby/jc_21.fits.gz",
        "libraries/pickles/pickles_uk_9.fits.gz",
        "libraries/sdss_templates/A1.fits.gz",
    ):
        spectra = read(real_data / path)
        near = (spectra.wave > 4835) & (spectra.wave < 4890)
        wave, flux = spectra.wave[near], spectra.flux[0, near]
        depth = np.clip(flux[[0, -1]].mean() - flux, 0, None)
        assert abs((wave * depth).sum() / depth.sum() - 4862.7) < 1.0, path
