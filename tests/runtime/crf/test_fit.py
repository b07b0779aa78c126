from __future__ import annotations

import numpy as np

from edgeseg.frames.geometry import place
from edgeseg.runtime.crf.fit import Example, fit, score
from edgeseg.runtime.crf.refinement import DEFAULT
from edgeseg.spec import CRFSpec, InputSpec


def examples(count: int) -> list[Example]:
    """Give frames with a disc, and logits at stride 16 of its blocks, with noise."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:64, :96]
        cy, cx = rng.integers(20, 44), rng.integers(30, 66)
        truth = ((y - cy) ** 2 + (x - cx) ** 2 < 15**2).astype(np.uint8)
        frame = np.clip(80 + 90 * truth[..., None] + rng.normal(0, 8, (64, 96, 3)), 0, 255).astype(np.uint8)
        share = truth.reshape(4, 16, 6, 16).mean(axis=(1, 3), dtype=np.float32)
        share += rng.normal(0, 0.15, share.shape).astype(np.float32)
        logits = np.stack([0.5 - share, share - 0.5]) * 4
        made.append(Example(logits, place((64, 96), InputSpec(64, 96)), frame, truth))
    return made


def test_fitting_draws_boundaries_better_and_costs_no_overlap():
    known, unseen = examples(6)[:3], examples(6)[3:]
    fitted = fit(known, CRFSpec(480), trials=(8, 4))
    assert fitted == fit(known, CRFSpec(480), trials=(8, 4))
    before, after = score(unseen, None), score(unseen, fitted)
    assert after.boundary_f > before.boundary_f + 0.03
    assert after.miou >= before.miou
    assert score(known, fitted).boundary_f >= score(known, DEFAULT).boundary_f
