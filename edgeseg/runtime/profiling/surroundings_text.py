"""Say in words what surrounded a run, and what of it disturbed the measurement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree.ElementTree import Element

from edgeseg.charts.elements import element
from edgeseg.charts.numbers import significant
from edgeseg.runtime.profiling.surroundings import Spread, Surroundings

UNDISTURBED = "Nothing that was watched disturbed the run."
UNWATCHED = "The surroundings of the run were not watched."


def disturbances(
    seen: Surroundings | None, warnings: Sequence[str], others: Collection[Surroundings] = ()
) -> list[Element]:
    """Give a paragraph for each disturbance and each warning, and one on the rest of the machine.

    Args:
        seen: beside the run.
        others: beside what else was measured, of which `warnings` tell.
    """
    seen_of = () if seen is None else seen.disturbances
    untold = (each.text for each in seen_of if not any(each.text in warning for warning in warnings))
    texts = [*untold, *warnings]
    drawn = [element("p", sentence(text), class_="warning") for text in texts]
    if seen is None:
        return [*drawn, element("p", UNWATCHED, class_="quiet")]
    disturbed = any(each.disturbances for each in (seen, *others))
    calm = [] if disturbed else [element("p", UNDISTURBED)]
    return [*calm, *drawn, element("p", _in_words(seen), class_="quiet")]


def surroundings_rows(seen: Surroundings) -> list[tuple[str, str]]:
    """Give all that was seen as rows of a table: (what, how it was)."""
    told = [
        ("watched", f"{significant(seen.seconds)} s, {seen.samples} samples"),
        ("cores of this process", ", ".join(map(str, seen.cores))),
        ("clock", _clock(seen)),
        *([("clock of the GPU", _spread(seen.gpu_clock_mhz, "MHz"))] if seen.gpu_clock_mhz else []),
        ("governor", seen.governor),
        *((f"temperature, {name}", _spread(value, "°C")) for name, value in seen.temperatures_c.items()),
        ("throttling", _throttling(seen)),
        ("others on these cores", _percent(seen.others_percent)),
        ("other virtual machines", _percent(seen.steal_percent)),
        ("waited for a core", _percent(seen.waiting_percent)),
        ("quota of the control group", f"{seen.quota_cores:g} cores" if seen.quota_cores else "none"),
        ("held back by the quota", _percent(seen.held_back_percent)),
        *((f"pressure, {name}", _percent(value)) for name, value in seen.pressure_percent.items()),
        ("swapped", None if seen.swapped_mb is None else f"{significant(seen.swapped_mb)} MiB"),
        ("huge pages", seen.huge_pages),
    ]
    return [(name, value or "not told") for name, value in told]


def sentence(text: str) -> str:
    """Begin a text with a capital, and end it with a point."""
    first = text[:1] if text[1:2].isdigit() else text[:1].upper()  # p99 is not P99
    return f"{first}{text[1:].rstrip('.')}."


def _in_words(seen: Surroundings) -> str:
    told = [
        seen.clock_mhz and f"the clock was at {_clock(seen)}",
        *(f"{name} at {_spread(value, '°C')}" for name, value in seen.temperatures_c.items()),
        seen.governor and f"the governor was {seen.governor}",
        seen.others_percent is not None and f"others took {_percent(seen.others_percent)} of the cores",
        f"a quota allowed {seen.quota_cores:g} cores" if seen.quota_cores else "there was no quota",
    ]
    return sentence(f"in {significant(seen.seconds)} s, {', '.join(part for part in told if part)}")


def _clock(seen: Surroundings) -> str | None:
    if seen.clock_mhz is None:
        return None
    limit = f", of at most {seen.clock_limit_mhz:.0f}" if seen.clock_limit_mhz else ""
    return f"{_spread(seen.clock_mhz, 'MHz')}{limit}"


def _spread(value: Spread, unit: str) -> str:
    return f"{value.median:.0f} {unit} ({value.low:.0f} to {value.high:.0f})"


def _throttling(seen: Surroundings) -> str | None:
    if seen.throttling is None:
        return None
    return ", ".join(f"{name}: {count}" for name, count in seen.throttling.items()) or "none"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} %"
