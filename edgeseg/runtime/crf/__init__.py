"""Turn a network's logits and the image into labels that follow the image's edges: a fully connected CRF."""

from edgeseg.runtime.crf.dense_crf import CRFResult, DenseCRF, Normalisation
from edgeseg.runtime.crf.unary import logits_from_probabilities, unary_from_labels

__all__ = ["CRFResult", "DenseCRF", "Normalisation", "logits_from_probabilities", "unary_from_labels"]
