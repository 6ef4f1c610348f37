"""Training, validation and test: given by the store or dealt by star, never a star on two sides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
PARTS = ("train", "validation", "test")
#: What else tables call the parts.
_SPELLINGS = {name: name for name in PARTS} | {
    "training": "train", "val": "validation", "valid": "validation", "dev": "validation",
    "testing": "test",
}  # fmt: skip


class Held(Protocol):
    """Which stars a training keeps out: any configuration with these four."""

    @property
    def split_seed(self) -> int: ...
    @property
    def validation(self) -> float: ...
    @property
    def test(self) -> float: ...
    @property
    def leave_out(self) -> tuple[str, ...]: ...


def make_split(meta: pl.DataFrame, config: Held) -> NDArray[np.str_]:
    """The part of every row: the table's own split where it has one, else by star.

    A star with a given part keeps it in all its rows, given or not; only the other stars are
    dealt. With `leave_out`, the stars of those libraries are the test set wherever they occur.

    Raises
    ------
    UsageError
        If stars have to be dealt and nothing tells one from another.
    """
    star = meta["star_id"].to_numpy().astype(str)
    # Of no type are the strangers, and apart from them the survey's OB.
    types = np.array([mk.index(t) if t else -1 for t in meta["type"].to_list()], np.int64)
    if "code_low" in meta.columns:
        types[(types < 0) & meta["code_low"].is_not_null().to_numpy()] = len(mk.TYPES)
    if config.leave_out:
        survey = meta["survey"].fill_null("").to_numpy().astype(str)
        unknown = set(config.leave_out) - set(survey)
        if unknown:
            known = ", ".join(sorted(set(survey)))
            raise UsageError(f"no survey {', '.join(sorted(unknown))}; the store has {known}")
        _check_identified(meta, np.ones(len(star), bool))
        split = split_by_star(star, types, seed=config.split_seed, shares=(config.validation, 0.0))
        left_out = np.isin(survey, config.leave_out)
        # A left-out star that another library holds too is in no part at all there.
        split = np.where(np.isin(star, np.unique(star[left_out])), "unused", split)
        return np.asarray(np.where(left_out, "test", split))
    split = _given(meta, star)
    rest = split == ""
    if rest.any():
        _check_identified(meta, rest)
        split[rest] = split_by_star(
            star[rest], types[rest], seed=config.split_seed, shares=(config.validation, config.test)
        )
        if not rest.all():
            log.info(
                "the split of %d spectra is given; the %d of other stars are dealt by star",
                (~rest).sum(), rest.sum(),
            )  # fmt: skip
    return split


def _given(meta: pl.DataFrame, star: NDArray[np.str_]) -> NDArray[np.str_]:
    """The part that the store's own split gives to each row's star; empty where to none."""
    column = meta["split"].to_list() if "split" in meta.columns else [None] * len(star)
    words = [str(word or "").strip().lower() for word in column]
    if unknown := sorted({word for word in words if word and word not in _SPELLINGS}):
        log.warning(
            "the column split holds %s, which is none of %s: such stars are dealt",
            ", ".join(map(repr, unknown[:5])), ", ".join(PARTS),
        )  # fmt: skip
    # The most trained part wins where a star is given two: so no test star is trained on.
    rank = np.array([PARTS.index(_SPELLINGS[w]) if w in _SPELLINGS else len(PARTS) for w in words])
    _, number = np.unique(star, return_inverse=True)
    best = np.full(number.max(initial=-1) + 1, len(PARTS))
    np.minimum.at(best, number, rank)
    part = best[number]
    moved = (rank < len(PARTS)) & (rank != part)
    if moved.any():
        log.warning(
            "%d stars are given two parts of the split; their %d spectra in validation or test are "
            "moved to where the star is trained on or chosen by",
            np.unique(number[moved]).size, moved.sum(),
        )  # fmt: skip
    return np.asarray(np.array([*PARTS, ""])[part])


def _check_identified(meta: pl.DataFrame, rows: NDArray[np.bool_]) -> None:
    """Refuse to deal rows of which none tells its star; say how many do not."""
    if "identified" not in meta.columns:
        return  # a store of an older version, or not made by `build`: its star_id is its word
    unknown = ~meta["identified"].fill_null(True).to_numpy()[rows]
    if unknown.all():
        raise UsageError(
            f"none of {unknown.size} spectra has a position or a star's name: they cannot be split "
            "by star",
            remedy="build with --labels that give star_id, object, or ra and dec; or split",
        )
    if unknown.any():
        log.warning(
            "%d of %d spectra have neither a position nor a star's name: each is dealt as a star "
            "of its own", unknown.sum(), unknown.size,
        )  # fmt: skip


def split_by_star(
    star: NDArray[np.str_], type_index: NDArray[np.int64], *, seed: int, shares: tuple[float, float]
) -> NDArray[np.str_]:
    """Split rows into train, validation and test so that no star is on two sides.

    Parameters
    ----------
    star : ndarray of str, shape (n,)
        Star of each row.
    type_index : ndarray, shape (n,), int64
        Type of each row (-1 unknown): stars are dealt type by type, so rare types reach
        every part.
    seed : int
        Seed.
    shares : (float, float)
        Shares of stars for validation and for test.

    Returns
    -------
    ndarray of str, shape (n,)
        ``"train"``, ``"validation"`` or ``"test"``.
    """
    names, first, inverse = np.unique(star, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    part = np.full(names.size, "train", dtype="<U10")
    for kind in np.unique(type_index):
        members = rng.permutation(np.flatnonzero(type_index[first] == kind))
        n_test = round(shares[1] * members.size)
        n_validation = round(shares[0] * members.size)
        part[members[:n_test]] = "test"
        part[members[n_test : n_test + n_validation]] = "validation"
    return np.asarray(part[inverse])
