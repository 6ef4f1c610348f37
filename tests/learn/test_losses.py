"""What a student hears of its teachers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from spectype.learn.losses import divergence  # noqa: E402


def said(*logits: float) -> torch.Tensor:
    return torch.tensor([logits, logits])


def test_a_student_that_says_the_same_is_not_corrected():
    outputs = [said(0.0, 1.0, 2.0), said(1.0, -1.0)]
    lesson = [torch.softmax(o, 1) for o in outputs]
    nobody = torch.tensor([False, False])
    assert float(divergence(lesson, outputs, nobody, nobody)) == pytest.approx(0.0, abs=1e-6)
    # Sure of the wrong one of two by a logit of 4: KL of (.5, .5) from softmax(4, 0).
    other = [outputs[0], said(4.0, 0.0)]
    even = [lesson[0], torch.full((2, 2), 0.5)]
    expected = 0.5 * torch.tensor(0.25).div(0.98201 * 0.01799).log()
    assert float(divergence(even, other, nobody, nobody)) == pytest.approx(
        float(expected), rel=1e-3
    )


def test_what_is_known_for_certain_is_not_asked_of_the_teachers():
    right = torch.full((2, 2), 0.5)
    sequence, kind = torch.zeros(2, 2), torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    nobody, second = torch.tensor([False, False]), torch.tensor([False, True])
    assert float(divergence([right, right], [sequence, kind], nobody, nobody)) > 1
    assert float(divergence([right, right], [sequence, kind], nobody, second)) == 0
    # A simulated star still learns its type from them, a spectrum made a stranger does not.
    assert float(divergence([right, right], [kind, sequence], nobody, second)) > 1
    assert float(divergence([right, right], [kind, sequence], second, nobody)) == 0
