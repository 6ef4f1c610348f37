import numpy as np
import pytest

from spectype.core.errors import DataError, UsageError
from spectype.dataset import store as st
from tests.stars import star_batch


def write(folder, codes, **options):
    spectra = star_batch(codes)
    writer = st.StoreWriter(folder, wave=spectra.wave, **options)
    writer.append(*st.encode(spectra))
    return writer.close([{"path": str(c), "code": c} for c in codes], {"chain": []}), spectra


def test_round_trip_within_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(st, "SHARD_ROWS", 4)
    store, spectra = write(tmp_path / "s", [5.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 8.0, 9.0])
    assert store.manifest["shards"] == [4, 4, 1]
    rows = [8, 0, 5]
    back = store.spectra(rows)
    np.testing.assert_allclose(back.flux, spectra.flux[rows], rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(back.ivar, spectra.ivar[rows], rtol=5e-3)
    np.testing.assert_allclose(back.wave, spectra.wave, rtol=1e-9)
    assert back.get("code") == [9.0, 5.0, 55.0]


def test_bad_pixels_stay_bad_and_huge_values_finite(tmp_path):
    spectra = star_batch([42.0])
    spectra.flux[0, 10], spectra.ivar[0, 11] = 1e9, 1e20
    spectra.mask[0, 12] = True
    flux, error = st.encode(spectra)
    assert np.isfinite(flux).all() and error[0, 12] == 0 and flux[0, 12] == 0
    assert (error[0, :12] > 0).all()


def test_a_finished_store_is_not_overwritten_unasked(tmp_path):
    write(tmp_path / "s", [42.0])
    with pytest.raises(UsageError, match="overwrite"):
        write(tmp_path / "s", [42.0])
    store, _ = write(tmp_path / "s", [20.0, 42.0], overwrite=True)
    assert len(store) == 2


def test_an_unfinished_store_is_said_to_be(tmp_path):
    st.StoreWriter(tmp_path / "s", wave=star_batch([42.0]).wave)
    with pytest.raises(DataError, match="not a finished store"):
        st.Store(tmp_path / "s")


def test_a_truncated_shard_is_named(tmp_path):
    write(tmp_path / "s", [42.0, 20.0])
    shard = tmp_path / "s" / "flux-0000.npy"
    shard.write_bytes(shard.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"flux-0000\.npy"):
        st.Store(tmp_path / "s")
