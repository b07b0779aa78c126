"""Frames of several threads that share a batch engine have the results of an engine of batch 1."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.models.network import Network
from edgeseg.runtime import InstanceResult, Segmenter
from edgeseg.scenes.pictures import pictures
from tests.export import small_networks
from tests.exported_models import ExportedModels

FRAMES = pictures(range(20, 44), small_networks.SIZE_HW)
THREADS = 3
NETWORKS = [small_networks.unet, small_networks.deeplab, small_networks.mask_rcnn]
ROUNDING = 1e-3  # of pixels and scores: kernels for another number of rows may add in another order
PIXELS = 1e-3  # share that such rounding may turn


@pytest.mark.minutes
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_of_all_kinds_give_the_results_of_batch_1(
    network: Callable[[], Network], exported: ExportedModels, tmp_path: Path
) -> None:
    results = []
    for batch in (1, THREADS):
        model = exported(network, lowering="dense", batch=batch, max_detections=20).path
        folder = tmp_path / str(batch)
        build_engine(model, folder, request=Request("onnxruntime", threads=1))
        with Segmenter.open(folder) as segment, ThreadPoolExecutor(THREADS) as pool:
            results.append(list(pool.map(segment, FRAMES)))
    for alone, together in zip(*results, strict=True):
        if not isinstance(alone, InstanceResult):
            assert (together.labels != alone.labels).mean() <= PIXELS
            continue
        assert together.class_ids.tolist() == alone.class_ids.tolist()
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=ROUNDING)
        np.testing.assert_allclose(together.scores, alone.scores, atol=ROUNDING)
        assert not len(alone) or (together.masks != alone.masks).mean() <= PIXELS
