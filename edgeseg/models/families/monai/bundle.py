"""Read a MONAI bundle's network, transforms and metadata, as far as they are plain values.

A bundle's configuration may hold expressions of Python (text that begins with `$`), which are never run, and
references to other entries (`@network_def`), which are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EXPRESSION, REFERENCE = "$", "@"
STEPS = ("#", "::")  # between the parts of a reference: `@train#handlers#0`
TARGET, DISABLED = "_target_", "_disabled_"
METADATA = "metadata.json"
FIRST_READ = ("inference.json", "inference.yaml", "inference.yml")  # before what trains
MOST_REFERENCES = 8  # one after another
_UNKNOWN = object()


@dataclass(frozen=True)
class Part:
    """One component of a bundle: a class, and the plain values that it is made with.

    Attributes:
        file: of the configuration that names it.
        name: of the class, without its module.
        values: that are plain.
        open: names of the arguments that an expression gives.
    """

    file: str
    name: str
    values: Mapping[str, Any]
    open: tuple[str, ...] = ()


def find_parts(configs: Mapping[str, Any], names: Sequence[str]) -> list[Part]:
    """Find the components of some classes, in the order in which they stand; inference before training.

    Args:
        configs: contents by file name.
        names: of classes; case does not matter.
    """
    wanted = {name.lower(): name for name in names}
    found = []
    for file in _in_order(configs):
        for part in _targets(configs[file]):
            name = str(part[TARGET]).rpartition(".")[2]
            if name.lower() in wanted:
                found.append(_part(file, wanted[name.lower()], part, configs[file]))
    return found


def find_transforms(configs: Mapping[str, Any]) -> list[Part]:
    """List the transforms that a bundle prepares images with, of the first file that has some."""
    for file in _in_order(configs):
        config = configs[file]
        for place in (("preprocessing",), ("validate", "preprocessing"), ("train", "preprocessing")):
            compose = _follow(_at(config, place), config)
            listed = _follow(compose.get("transforms"), config) if isinstance(compose, Mapping) else None
            if isinstance(listed, list):
                items = [_follow(item, config) for item in listed]
                steps = [item for item in items if isinstance(item, Mapping) and TARGET in item]
                return [
                    _part(file, str(step[TARGET]).rpartition(".")[2], step, config)
                    for step in steps
                    if step.get(DISABLED) is not True
                ]
    return []


def class_names(configs: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Give the names of the channels of the network's output, by the metadata."""
    outputs = _at(configs.get(METADATA), ("network_data_format", "outputs"))
    if not isinstance(outputs, Mapping):
        return None
    for output in outputs.values():
        names = output.get("channel_def") if isinstance(output, Mapping) else None
        if isinstance(names, Mapping) and all(str(index) in names for index in range(len(names))):
            return tuple(str(names[str(index)]) for index in range(len(names)))
    return None


def _in_order(configs: Mapping[str, Any]) -> list[str]:
    files = [name for name, content in configs.items() if isinstance(content, Mapping) and name != METADATA]
    return sorted(files, key=lambda name: name not in FIRST_READ)


def _targets(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get(TARGET), str):
            yield value
        for item in value.values():
            yield from _targets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _targets(item)


def _part(file: str, name: str, part: Mapping[str, Any], config: Any) -> Part:
    values = {key: _plain(value, config) for key, value in part.items() if not key.startswith("_")}
    return Part(
        file,
        name,
        {key: value for key, value in values.items() if value is not _UNKNOWN},
        tuple(key for key, value in values.items() if value is _UNKNOWN),
    )


def _plain(value: Any, config: Any) -> Any:
    """Give a value with its references followed; unknown if an expression is in it."""
    value = _follow(value, config)
    if isinstance(value, str) and value.startswith((EXPRESSION, REFERENCE)):
        return _UNKNOWN
    if isinstance(value, list):
        items = [_plain(item, config) for item in value]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    if isinstance(value, Mapping):
        named = {key: _plain(item, config) for key, item in value.items()}
        return _UNKNOWN if any(item is _UNKNOWN for item in named.values()) else named
    return value


def _follow(value: Any, config: Any) -> Any:
    for _ in range(MOST_REFERENCES):
        if not (isinstance(value, str) and value.startswith(REFERENCE)):
            break
        place = value.removeprefix(REFERENCE).replace(STEPS[1], STEPS[0]).split(STEPS[0])
        value = _at(config, place)
    return value


def _at(config: Any, place: Sequence[str]) -> Any:
    for step in place:
        if isinstance(config, Mapping):
            config = config.get(step)
        elif isinstance(config, list) and step.isdecimal() and int(step) < len(config):
            config = config[int(step)]
        else:
            return None
    return config
