"""Tests mirror the package: `edgeseg/runtime/overlay.py` is tested by `tests/runtime/test_overlay.py`."""

from __future__ import annotations

from pathlib import Path

import edgeseg

PACKAGE = Path(edgeseg.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))

WITHOUT_A_PACKAGE = {
    "benchmarks": "benchmarks/",
    "docs": "the pages and examples",
    "fuzz": "every kind of file",
    "tools": "tools/",
}
OF_SEVERAL_MODULES = {
    "batch/test_deaths.py": "what kills workers, in every way that a batch meets it",
    "batch/test_on_s3.py": "archives and results in S3, from a real server",
    "cli/test_cli.py": "what all commands have in common",
    "cli/test_export_crf.py": "the CRF's flags of export",
    "cli/test_interrupt.py": "every command when it is interrupted",
    "cli/test_site_service.py": "a site with its manager, its servers and its end",
    "cli/test_two_runs.py": "commands that write to the same place at once",
    "engines/building/test_batches.py": "engines that take batches, from build to run",
    "engines/building/test_channels.py": "networks of any channels, from export to run",
    "engines/building/test_compact_networks.py": "int8 on the networks that it is hard on",
    "engines/building/test_crf.py": "a CRF in the graph, in every precision and backend",
    "engines/building/test_full_size.py": "networks of full size, in TensorRT for RTX",
    "engines/building/test_demo_layers.py": "where the time of the demo's networks goes",
    "engines/building/test_read_once.py": "how often a build reads its model",
    "engines/tensorrt/test_fakes.py": "the fakes of TensorRT and CUDA themselves",
    "engines/tensorrt/test_forks.py": "an engine in a forked process",
    "engines/test_added_backend.py": "a backend that is found everywhere",
    "engines/test_options.py": "what a manifest says to each backend",
    "engines/test_profiled_precisions.py": "layers of engines in every precision",
    "export/ready/test_hostile_files.py": "malicious files of every kind",
    "export/test_dense_agreement.py": "the dense lowering beside torchvision",
    "export/test_lowerings.py": "both lowerings of every network",
    "frames/test_sanitizers.py": "the C++ of the kernel that resizes",
    "graph/passes/test_passes.py": "what is required of every pass",
    "runtime/crf/test_dense_crf_arguments.py": "what the CRF refuses, and what it must bear",
    "runtime/crf/test_sanitizers.py": "the C++ of the kernel",
    "runtime/sinks/test_open_sink.py": "the package's own function",
    "runtime/sinks/test_window_on_screen.py": "the window, where there is a screen",
    "runtime/sources/test_open_source.py": "the package's own function",
    "runtime/sources/test_video_losses.py": "recordings that lost frames, in every container",
    "runtime/sources/test_broadcast.py": "HLS and MPEG-TS over UDP, from real senders",
    "runtime/sources/test_mjpeg.py": "cameras by HTTP, from a server that damages their pictures",
    "runtime/sources/test_rtsp.py": "cameras by RTSP, from a real server",
    "runtime/test_device_only.py": "the runtime where torch and onnx cannot be imported",
    "runtime/test_forks.py": "engines and threads in a forked process",
    "runtime/test_refinement.py": "segmenters with a CRF",
    "runtime/test_threads.py": "threads that share a segmenter",
    "serving/test_hostile.py": "hostile clients, at the whole server",
    "serving/test_on_clusters.py": "the server on Ray, on clusters of several nodes",
    "serving/triton/test_real_server.py": "repositories, on a real Triton",
    "test_imports.py": "the layers",
    "test_layout.py": "the tests themselves",
    "test_types.py": "the code for TensorRT beside the real bindings",
}


def test_each_folder_of_tests_is_one_of_the_package() -> None:
    folders = {module.parent for module in MODULES if module.parts[0] not in WITHOUT_A_PACKAGE}
    assert [str(folder) for folder in folders if not (PACKAGE / folder).is_dir()] == []


def test_each_module_of_tests_is_of_one_of_the_package() -> None:
    own = [module for module in MODULES if module.parts[0] not in WITHOUT_A_PACKAGE]
    odd = {str(module) for module in own if not _tested(module)}
    assert odd - set(OF_SEVERAL_MODULES) == set(), "name it for what it tests, or list it here with a reason"
    assert set(OF_SEVERAL_MODULES) - odd == set(), "take it off this list"


def _tested(module: Path) -> bool:
    """Whether the package has a module, or a package, of that name at that place."""
    there = PACKAGE / module.parent / module.stem.removeprefix("test_")
    return there.with_suffix(".py").is_file() or there.is_dir()
