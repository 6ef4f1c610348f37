import numpy as np
import polars as pl
import torch

from spectype.core import kinds, mk
from spectype.dataset.labels import label_columns
from spectype.learn.losses import sequence_loss
from spectype.learn.targets import BIN_CODES, N_BINS, make_targets


def targets_of(*labels):
    rows = [{"subclass": label, "survey": "lamost", **label_columns({"subclass": label})}
            for label in labels]  # fmt: skip
    return make_targets(pl.DataFrame(rows, infer_schema_length=None), balance=0.5)


def test_ob_leaves_open_whether_o_or_b():
    targets = targets_of("OB", "O9", "B1", "G2", "Carbon", "F", "A/F")
    open_ = ["".join(t for t, share in zip(mk.TYPES, row) if share) for row in targets.types]
    assert open_ == ["OB", "O", "B", "G", "", "F", "A"]
    assert targets.type_index[0] == -1 and targets.sequence[0].sum() == 0
    assert targets.kind[[0, 1]].tolist() == [kinds.STAR] * 2 != [targets.kind[4]] * 2
    assert (targets.balance > 0).all() and targets.balance[0] > targets.balance[4]


def test_what_ob_teaches_is_o_and_b_alike():
    targets = targets_of("OB", "B1")
    logits = torch.zeros((2, N_BINS), requires_grad=True)
    probability = torch.softmax(logits, dim=1)
    soft, types = torch.as_tensor(targets.sequence), torch.as_tensor(targets.types)
    sequence_loss(probability, soft, types, 1.0)[0].backward()
    pull = -logits.grad[0].numpy()
    hot = BIN_CODES < 20
    assert (pull[hot] > 0).all() and (pull[~hot] < 0).all()
    assert np.ptp(pull[hot]) < 1e-6  # neither O nor B is preferred, nor any subclass
