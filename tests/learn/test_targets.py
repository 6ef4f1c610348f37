import numpy as np
import polars as pl
import torch

from spectype.core import mk
from spectype.dataset.labels import label_columns
from spectype.learn.losses import sequence_loss
from spectype.learn.targets import BIN_CODES, N_BINS, make_targets


def targets_of(*labels):
    rows = [{"subclass": label, "survey": "lamost", **label_columns({"subclass": label})}
            for label in labels]  # fmt: skip
    return make_targets(pl.DataFrame(rows, infer_schema_length=None), balance=0.5)


def test_ob_leaves_open_whether_o_or_b():
    targets = targets_of("OB", "O9", "B1", "G2", "Carbon", "F", "A/F")
    open_ = ["".join(t for t, ok in zip(mk.TYPES, row) if ok) for row in targets.allowed]
    assert open_ == ["OB", "O", "B", "G", "", "F", "A"]
    assert targets.type_index[0] == -1 and targets.outlier.tolist()[:2] == [0.0, 0.0]
    assert targets.outlier[4] == 1.0  # a carbon star is none of them
    assert (targets.balance > 0).all() and targets.balance[0] > targets.balance[4]


def test_what_ob_teaches_is_o_and_b_together():
    targets = targets_of("OB", "B1")
    logits = torch.zeros((2, N_BINS), requires_grad=True)
    probability = torch.softmax(logits, dim=1)
    soft, allowed = torch.as_tensor(targets.sequence), torch.as_tensor(targets.allowed)
    loss = sequence_loss(probability, soft, allowed, 1.0)
    assert loss[0].item() == np.float32(np.log(7 / 2))  # a seventh each, and two are right
    loss[0].backward()
    pull = -logits.grad[0].numpy()
    hot = BIN_CODES < 20
    assert (pull[hot] > 0).all() and (pull[~hot] < 0).all()
    assert np.ptp(pull[hot]) < 1e-6  # neither O nor B is preferred
