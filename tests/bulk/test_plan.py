from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.bulk.plan import covered, cut, deal
from spectype.bulk.seen import Seen, unique
from spectype.core.errors import UsageError

NAMES = st.lists(st.sampled_from(["a", "b", "c", "n.tar", "m.tar"]), max_size=40)


@given(NAMES, st.integers(1, 7))
def test_shards_hold_every_input_in_order_and_archives_stand_alone(names, size):
    shards = list(cut(names, size, alone=lambda name: name.endswith(".tar")))
    assert [name for shard in shards for name in shard] == names
    assert all(1 <= len(shard) <= size for shard in shards)
    assert all(len(shard) == 1 for shard in shards if any(".tar" in name for name in shard))


def test_inputs_are_taken_one_shard_at_a_time():
    taken = []
    shards = cut((taken.append(i) or str(i) for i in range(100)), 10)
    next(shards)
    assert len(taken) == 10


@given(st.integers(0, 200), st.integers(1, 20))
def test_shares_are_disjoint_complete_and_even(n, machines):
    shares = [deal(n, f"{i}/{machines}") for i in range(1, machines + 1)]
    assert sorted(shard for share in shares for shard in share) == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("share", ["0/2", "3/2", "x", "1", "1/0", "-1/2"])
def test_impossible_shares_are_refused(share):
    with pytest.raises(UsageError, match="1 <= i <= n"):
        deal(10, share)


def test_pieces_cover_without_gap_and_overlap():
    assert covered([]) == 0
    assert covered([(64, 36), (0, 64), (100, 0)]) == 100
    assert covered([(0, 64), (63, 2)]) == covered([(0, 64), (65, 2)]) == covered([(1, 2)]) == -1


@given(st.lists(st.text("abc", max_size=3), max_size=60), st.integers(1, 9))
def test_seen_is_a_set_whatever_the_chunks(names, step):
    seen, kept = Seen(), []
    for start in range(0, len(names), step):
        chunk = names[start : start + step]
        kept += [name for name, new in zip(chunk, seen.add(chunk)) if new]
    assert kept == list(dict.fromkeys(names)) == list(unique(names))
    assert len(seen) == len(kept)


def test_seen_takes_ten_bytes_a_name():
    names = [f"/data/20111024/{i:09d}.fits.gz" for i in range(60_000)]
    seen = Seen()
    for start in range(0, len(names), 1000):
        assert seen.add(names[start : start + 1000]).all()
    assert not seen.add(names[::7]).any()
    assert sum(level.nbytes for level in seen._levels) == 8 * len(names)
    sizes = np.array([len(level) for level in seen._levels])
    assert (sizes[:-1] > 2 * sizes[1:]).all()  # so that a lookup is in a few arrays only
