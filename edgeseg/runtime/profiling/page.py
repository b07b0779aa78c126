"""Turn a profile into one HTML page that can be read on a phone, on a desk and on paper."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from edgeseg.charts.elements import element
from edgeseg.charts.numbers import significant
from edgeseg.charts.page import page, section
from edgeseg.charts.table import table
from edgeseg.runtime.profiling.latency_charts import (
    NAMES,
    histograms,
    percentile_plot,
    percentile_table,
    run_plot,
    samples_of,
    timeline,
)
from edgeseg.runtime.profiling.layer_charts import group_bars, node_bars, roofline
from edgeseg.runtime.profiling.layers import LayerProfile
from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.profiling.surroundings_text import disturbances, sentence, surroundings_rows
from edgeseg.runtime.profiling.trust import doubts

NO_ROOFLINE = "What this machine can do at best was not measured, so there is no roofline."
BELOW_PERCENTILES = (
    "Below a percentile stands its 95 % interval, or how many samples it wants where it has too few."
)


def html_page(profile: Profile) -> str:
    """Give the page's text; all that it shows is in the profile, and it asks for nothing else."""
    return page(
        profile.engine or profile.backend,
        *_introduction(profile),
        *disturbances(profile.surroundings, doubts(profile), profile.watched.values()),
        _figures(profile),
        _latency(profile),
        *([_layers(profile.layers)] if profile.layers is not None else []),
        _circumstances(profile),
    )


def _introduction(profile: Profile) -> list[Element]:
    batch = f", batches of {profile.batch}" if profile.batch > 1 else ""
    cameras = f", {profile.streams} cameras" if profile.streams > 1 else ""
    threads = f" with {profile.threads} thread{'s' * (profile.threads > 1)}" if profile.threads else ""
    what = (
        f"{profile.backend} {profile.backend_version}, {profile.precision}, on {profile.device}{threads}; "
        f"{profile.scenario}{cameras}{batch}, {profile.source} at {profile.size}."
    )
    where = f"{profile.machine.cpu}, {profile.machine.logical_cores} cores; {_moment(profile.started_at)}"
    return [element("p", what), element("p", where, class_="quiet")]


def _figures(profile: Profile) -> Element:
    latency, energy = profile.latency_ms, profile.energy
    figures = [
        (latency.p50, "ms", "capture to result, p50"),
        (latency.p90, "ms", "capture to result, p90"),
        (latency.p99, "ms", "capture to result, p99"),
        (profile.infer_ms.p50, "ms", "inference alone, p50"),
        (profile.throughput_fps, "", "frames a second"),
        (profile.load_ms, "ms", "to load the engine"),
        (profile.first_result_ms, "ms", "to the first result"),
        (profile.peak_rss_mb, "MiB", "peak memory"),
        (profile.gpu_memory_mb, "MiB", "of the GPU's memory"),
        (None if energy is None else energy.mean_w, "W", "mean power of the machine"),
    ]
    items = [
        element("li", element("b", f"{significant(value)} {unit}".rstrip()), element("span", name))
        for value, unit, name in figures
        if value is not None
    ]
    if profile.drops:
        items.append(element("li", element("b", str(profile.drops)), element("span", "frames dropped")))
    return element("ul", *items, class_="facts")


def _latency(profile: Profile) -> Element:
    meanings = [
        element("p", sentence(f"{NAMES.get(name, name)}: {text}"), class_="quiet")
        for name, text in profile.meaning.items()
    ]
    stages = timeline(profile)
    samples = samples_of(profile)
    return section(
        "Latency",
        percentile_table(profile),
        element("p", BELOW_PERCENTILES, class_="quiet"),
        *meanings,
        *([element("h3", "Stages of single frames"), stages] if stages is not None else []),
        element("h3", "How durations scatter"),
        element("div", *histograms(profile), class_="columns"),
        element(
            "div",
            element("div", element("h3", "By percentile"), percentile_plot(samples)),
            element("div", element("h3", "In the order measured"), run_plot(samples)),
            class_="columns",
        ),
    )


def _layers(layers: LayerProfile) -> Element:
    whole = (
        f"{significant(layers.layers_ms)} ms in {len(layers.layers)} nodes, median of {layers.runs} "
        f"inferences; an inference took {significant(layers.profiled_ms)} ms under the profiler and "
        f"{significant(layers.unprofiled_ms)} ms without it."
    )
    efficiency = NO_ROOFLINE
    if layers.efficiency is not None and layers.roofline_ms is not None:
        efficiency = (
            f"The roofline of this machine would allow {significant(layers.roofline_ms)} ms for "
            f"{layers.roofline_is_of}: together they are at {100 * layers.efficiency:.0f} % of it."
        )
    rooflines = roofline(layers)
    return section(
        "Layers",
        element("p", whole),
        element("p", efficiency),
        *(element("p", sentence(note), class_="quiet") for note in layers.notes),
        element(
            "div",
            element("div", element("h3", "By type of operator"), group_bars(layers.operators, "operator")),
            element("div", element("h3", "By module of the network"), group_bars(layers.modules, "module")),
            class_="columns",
        ),
        *([element("h3", "Roofline"), *rooflines] if rooflines else []),
        element("h3", "Slowest nodes"),
        *node_bars(layers),
    )


def _circumstances(profile: Profile) -> Element:
    warmup = profile.warmup
    steady = {True: ", until durations were steady", False: ", and durations were not steady yet", None: ""}
    rows = [
        ("warm-up", f"{warmup.frames} frames, {significant(warmup.seconds)} s{steady[warmup.steady]}"),
        ("model", profile.model_sha256),
    ]
    if profile.distinct_frames is not None:
        rows.append(("different frames", str(profile.distinct_frames)))
    if profile.surroundings is not None:
        rows += surroundings_rows(profile.surroundings)
    if profile.energy is not None:
        rows += [(f"energy, {rail.name}", f"{significant(rail.joules)} J") for rail in profile.energy.rails]
    return section("Circumstances", table(["what", "was"], rows, texts=2))


def _moment(iso: str) -> str:
    """Write a time of ISO 8601 in UTC, as a profile has it, for a reader."""
    return iso.replace("T", " ").replace("+00:00", " UTC")
