import json

import numpy as np
import polars as pl
import pytest

import spectype
from spectype.cli import run
from spectype.dataset.store import Store
from spectype.generate import gan
from tests.stores import hot_store


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a store and a generator of tiny networks."""
    folder = tmp_path_factory.mktemp("gan")
    hot_store(folder / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan, "GENERATOR", (8, 8, 12))
        patch.setattr(gan, "DISCRIMINATOR", (12, 8, 8))
        assert train(folder, "--epochs", "2", "--reference.figure-every", "2") == 0
        yield folder


def train(folder, *options):
    store, out = str(folder / "store"), str(folder / "my gan")
    where = ["--device", "cpu", "--threads", "1", "--reference.validation", "0"]
    return run(["gan", "train", store, "--out", out, *where, *options])


def test_train_writes_figures_and_goes_on(trained, capsys):
    folder = trained / "my gan"
    figures = sorted(p.name for p in (folder / "figures").iterdir())
    assert figures == ["curves.png", "samples-000002.png"]
    assert (folder / "figures" / "curves.png").stat().st_size > 5000
    assert train(trained, "--epochs", "3") == 0
    assert json.loads((folder / "manifest.json").read_text())["epochs"] == 3
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    capsys.readouterr()
    assert train(trained, "--reference.batch-norm", "none") == 1
    assert "batch_norm: 'before' there, 'none' here" in capsys.readouterr().err


def test_samples_are_a_store_that_says_it_is_synthetic(trained, capsys):
    out = trained / "samples"
    call = ["gan", "sample", str(trained / "my gan"), "--out", str(out), "--n", "9"]
    assert run([*call, "--type", "O", "--snr", "30"]) == 0
    noisy, quiet = Store(out), Store(out / "noise-free")
    assert len(noisy) == len(quiet) == 9
    assert noisy.meta["synthetic"].all() and set(noisy.meta["type"]) == {"O"}
    assert noisy.meta["star_id"][3] == "synthetic-my-gan-3"
    a, b = noisy.arrays(range(9))[0], quiet.arrays(range(9))[0]
    assert 0.01 < np.std(a - b) < 0.3
    assert run(call) == 2 and "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_samples_and_real_spectra_as_tables(trained, name):
    synthetic, real = trained / f"synthetic-{name}", trained / f"real-{name}"
    gan_folder, store = str(trained / "my gan"), str(trained / "store")
    assert run(["gan", "sample", gan_folder, "--out", str(synthetic), "--n", "5"]) == 0
    assert run(["gan", "table", store, "--out", str(real)]) == 0
    read = pl.read_csv if name.endswith("csv") else pl.read_parquet
    one, other = read(synthetic), read(real)
    assert one.columns == other.columns and (one.height, other.height) == (5, 14)
    red = [name for name in other.columns[5:] if float(name) > 7430]
    assert other[red[0]].null_count() == 3  # Jacoby's atlas ends before
    assert abs(other[other.columns[2000]].mean() - 1) < 0.1


def test_samples_are_exported_to_fits_and_typed(trained, tmp_path, capsys):
    folder, store = str(trained / "my gan"), str(trained / "store")
    call = ["gan", "sample", folder, "--n", "4", "--out"]
    assert run([*call, str(tmp_path / "s.fits"), "--snr", "30"]) == 0
    assert run(["gan", "table", store, "--out", str(tmp_path / "real.fits")]) == 0
    spectra, real = (spectype.read(tmp_path / f"{name}.fits") for name in ("s", "real"))
    assert len(spectra) == 4 and spectra.get("subclass") == ["O"] * 4
    assert np.median(spectra.snr()) == pytest.approx(30, rel=0.4) and len(real) == 14
    assert run([*call, str(tmp_path / "samples")]) == 0
    assert run(["classify", str(tmp_path / "samples"), "-o", str(tmp_path / "t.csv")]) == 0
    assert pl.read_csv(tmp_path / "t.csv")["path"][3] == f"{tmp_path / 'samples'}[3]"
    capsys.readouterr()
    assert run([*call, str(tmp_path / "s.txt")]) == 2
    assert "a file ending in .txt is not written" in capsys.readouterr().err
    assert not (tmp_path / "s.txt").exists()


def test_what_cannot_be_is_refused(trained, tmp_path, capsys):
    folder = str(trained / "my gan")

    def refused(status, words, *arguments):
        assert run(["gan", *arguments]) == status
        error = " ".join(capsys.readouterr().err.split())
        assert words in error

    out = ["--out", str(tmp_path / "x")]
    refused(1, "no finished training", "sample", str(tmp_path / "store"), *out)
    refused(2, "no subclass", "sample", folder, *out, "--code", "5")
    refused(2, "the generator knows O, no 'B'", "sample", folder, *out, "--type", "B")
    refused(2, "no 'B'", "sample", folder, *out, "--type", "OB")
    refused(2, "not both", "sample", folder, *out, "--type", "O", "--code", "5")
    refused(2, "noise-free", "sample", folder, "--out", "t.csv", "--snr", "20")
    refused(1, "no real spectrum of type B", "table", str(trained / "store"), "--types", "B",
            "--out", str(tmp_path / "b.csv"))  # fmt: skip
    refused(2, "this recipe has no --device", "train", str(trained / "store"), *out,
            "--recipe", "standard", "--device", "cpu")  # fmt: skip
    refused(2, "unknown fault", "train", str(trained / "store"), *out,
            "--reference.faults", "gamma")  # fmt: skip
