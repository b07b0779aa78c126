"""Mean field in a fully connected CRF without any approximation: every pair of pixels, in float64."""

import numpy as np


def kernel(features: np.ndarray) -> np.ndarray:
    """Give exp(-|f - f'|^2 / 2) of all pairs of (n, d) features."""
    return np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(axis=2))


def normalised(matrix: np.ndarray, mode: str) -> np.ndarray:
    """Normalise a kernel (n, n) by its row sums, as pydensecrf does."""
    total = matrix.sum(axis=1)
    if mode == "symmetric":
        return matrix / np.sqrt(np.outer(total, total))
    if mode == "before":
        return matrix / total[None]
    return matrix / total[:, None] if mode == "after" else matrix


def marginals(logits, image, spec, *, mode="symmetric", compatibility=None) -> np.ndarray:
    """Compute marginals (C, H, W) of logits (C, H, W) and an image (H, W, 3)."""
    classes, height, width = logits.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    colour = image.reshape(-1, 3).astype(np.float64)
    near_and_alike = np.hstack([place / spec.appearance_position_px, colour / spec.appearance_colour])
    total = spec.appearance_weight * normalised(kernel(near_and_alike), mode)
    total += spec.smoothness_weight * normalised(kernel(place / spec.smoothness_position_px), mode)
    cost = 1 - np.eye(classes) if compatibility is None else compatibility
    unary = logits.reshape(classes, -1).astype(np.float64)
    belief = softmax(unary)
    for _ in range(spec.iterations):
        belief = softmax(unary - cost @ (belief @ total.T))
    return belief.reshape(logits.shape)


def softmax(field: np.ndarray) -> np.ndarray:
    """Turn fields (C, n) into probabilities."""
    share = np.exp(field - field.max(axis=0))
    return share / share.sum(axis=0)
