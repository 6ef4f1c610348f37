"""Predictions and spectra made for the tests of the judge."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from spectype.core import mk


def make_predictions(n: int = 300, seed: int = 3) -> pl.DataFrame:
    """Predictions of `n` stars with errors of two subclasses, and ten white dwarfs."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        true = float(rng.integers(30, 699)) / 10
        code = float(np.clip(true + rng.normal(0, 2.0), 0, 69.9))
        p = np.exp(-0.5 * ((np.arange(7) * 10 + 4.75 - code) / 3.0) ** 2)
        p /= p.sum()
        best = int(p.argmax())
        rows.append(
            {
                "path": f"night/spec {i}.fits",
                "snr": float(rng.uniform(2, 150)),
                "type": mk.TYPES[best],
                "type_probability": float(p[best]),
                **{f"p_{t}": float(v) for t, v in zip(mk.TYPES, p, strict=True)},
                "subclass": mk.format_code(code),
                "subclass_code": code,
                "luminosity": "V" if i % 3 else "III",
                "type_set": mk.TYPES[best],
                "ood_score": float(rng.normal()),
                "flag_names": "",
                "true_type": mk.type_of(true),
                "true_code": true,
                "true_luminosity": "V" if i % 2 else "III",
                "survey": "lamost" if i % 2 else "miles",
                "row": i,
                "star_id": f"star {i // 2 if i < 40 else i}",
                "synthetic": False,
            }
        )
    for i in range(10):
        rows.append({**rows[i], "true_type": None, "true_code": None, "ood_score": 9.0})
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def predictions() -> pl.DataFrame:
    return make_predictions()
