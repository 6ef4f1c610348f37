import numpy as np
import pytest

from spectype.core import kinds
from spectype.core.errors import UsageError
from spectype.dataset import store as st
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.generate.fill import PER_TYPE, fill_rare
from spectype.learn.recipe import TrainConfig
from spectype.learn.targets import make_targets
from tests.stars import star_batch


def make_store(folder, codes, **changes):
    spectra = star_batch(codes)
    writer = st.StoreWriter(folder, wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "atlas", "star_id": f"s{i}", "type": "OBAFGKM"[int(c // 10)],
         "code": float(c), "kind": "star", "synthetic": False, "luminosity": "V", "object": None,
         "snr": 60.0, "redshift": 0.0, "subclass": "x"} | changes
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


def test_rare_types_are_filled_from_training_stars_and_once(tmp_path):
    store = make_store(tmp_path / "s", np.linspace(10, 29.5, 60))
    config = TrainConfig(seed=2)
    made = fill_rare(store, tmp_path / "run", config, types="OB")
    meta = made.meta
    assert set(meta["type"]) == {"B"} and len(made) == PER_TYPE  # there is no O to learn from
    assert meta["synthetic"].all()
    code = meta["code"].to_numpy()
    assert code.min() >= 10 and code.max() < 20 and np.ptp(code) > 5
    stamp = (made.folder / "manifest.json").stat().st_mtime_ns
    again = fill_rare(store, tmp_path / "run", config, types="OB")
    assert (again.folder / "manifest.json").stat().st_mtime_ns == stamp


def test_too_little_to_learn_from_is_said(tmp_path, caplog):
    caplog.set_level("INFO", logger="spectype")
    few = make_store(tmp_path / "few", np.linspace(12, 19, 6))
    assert fill_rare(few, tmp_path / "a", TrainConfig(), types="OB") is None
    none = make_store(tmp_path / "none", np.linspace(32, 39, 12))
    assert fill_rare(none, tmp_path / "b", TrainConfig(), types="OB") is None
    assert "no synthetic spectra" in caplog.text and "nothing to generate from" in caplog.text
    with pytest.raises(UsageError, match="'X'"):
        fill_rare(none, tmp_path / "c", TrainConfig(), types="X")


def test_a_star_without_a_label_is_no_stranger(tmp_path):
    changes = {"type": None, "code": None, "kind": "unknown"}
    stars = make_store(tmp_path / "a", np.linspace(12, 19, 6)).meta
    unlabelled = make_store(tmp_path / "b", [40.0], **changes, subclass=None).meta
    stranger = make_store(tmp_path / "c", [40.0], **changes, subclass="Non").meta
    import polars as pl

    meta = pl.concat([stars, unlabelled, stranger], how="diagonal_relaxed")
    kind = make_targets(meta, balance=0.0).kind
    assert (kind[:6] == kinds.STAR).all() and kind[6] == -1
    assert kind[7] == -1  # unclassified by a pipeline: no word of what it is
