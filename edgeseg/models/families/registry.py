"""Turn weights, and what a user calls them, into the family that they are of and what it reads in them."""

from __future__ import annotations

import difflib

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.closest import describe_closest
from edgeseg.models.families.detectron2.family import Detectron2
from edgeseg.models.families.edgeseg_zoo import EdgesegZoo
from edgeseg.models.families.family import Family, Recognised, Source
from edgeseg.models.families.hf.family import HuggingFace
from edgeseg.models.families.milesial.milesial import Milesial
from edgeseg.models.families.mmdet.family import MMDetection
from edgeseg.models.families.mmseg.mmseg import MMSeg
from edgeseg.models.families.monai.monai import Monai
from edgeseg.models.families.nnunet.nnunet import NnUNet
from edgeseg.models.families.settings_form import read_as_written_by
from edgeseg.models.families.smp.family import Smp
from edgeseg.models.families.torchvision.family import Torchvision

FAMILIES: tuple[Family, ...] = (
    Detectron2(),
    MMDetection(),
    NnUNet(),
    HuggingFace(),
    Smp(),
    Monai(),
    MMSeg(),
    Milesial(),
    Torchvision(),
    EdgesegZoo(),
)
"""In the order in which they are asked; the first of the surest wins."""

AUTO = "auto"
SUREST_FIRST = ("certain", "likely", "guessed")


def family_of(model: str) -> str | None:
    """Give the family that MODEL names, or `auto`; None if it names a network in another way.

    Args:
        model: `auto`, `FAMILY` or `FAMILY:Architecture`, without arguments.
    """
    name = model.partition(":")[0]
    return name if name == AUTO or name in names() else None


def names() -> list[str]:
    """List the families."""
    return [family.name for family in FAMILIES]


def named(name: str) -> Family:
    """Give a family by its name.

    Raises:
        UsageError: if there is none.
    """
    found = next((family for family in FAMILIES if family.name == name), None)
    if found is None:
        raise UsageError(f"no family {name!r}; there are {', '.join(names())}")
    return found


def recognise_all(source: Source) -> list[Recognised]:
    """Ask every family what the weights are, up to the first that is certain; the surest answer first."""
    found: list[Recognised] = []
    for family in FAMILIES:
        if (answer := _asked(family, source)) is not None:
            found.append(answer)
            if answer.sure == SUREST_FIRST[0]:
                break  # the zoo, asked last, has to be made to be compared
    return sorted(found, key=lambda answer: SUREST_FIRST.index(answer.sure))


def recognise(source: Source) -> Recognised:
    """Tell what weights are.

    Raises:
        CheckpointError: if no family recognises them; it names the closest, and the way to go on.
    """
    found = recognise_all(source)
    if not found:
        raise CheckpointError(f"{source.path} is not recognised; {describe_closest(source, FAMILIES)}")
    return found[0]


def by_name(model: str, source: Source) -> Recognised:
    """Tell what weights are as the family sees them that the user names.

    Args:
        model: `auto`, `FAMILY`, or `FAMILY:Architecture`.
        source: of the weights.

    Returns:
        What the family recognises; where the user names another architecture, or one that it does not
        recognise, that one alone.

    Raises:
        CheckpointError: if nothing is recognised, and no architecture named.
        UsageError: if there is no such family or architecture.
    """
    name, _, asked = model.partition(":")
    if name == AUTO:
        if asked:
            raise UsageError(f"{model} names an architecture without its family; write FAMILY:{asked}")
        return recognise(source)
    family = named(name)
    architecture = _spelled(asked, family) if asked else ""
    found = _asked(family, source)
    if found is not None and architecture in ("", found.architecture):
        return found
    if not architecture:
        raise CheckpointError(
            f"{source.path} is not recognised as weights of {name}; name the architecture, such as "
            f"{name}:{next(iter(family.layouts))}, of {', '.join(family.layouts)}; "
            f"{describe_closest(source, (family,))}"
        )
    unknown = (
        (f"the weights look like {found.model}, and are taken for {name}:{architecture}, as asked",)
        if found
        else ()
    )
    return Recognised(name, architecture, "certain", unknown=unknown)


def _asked(family: Family, source: Source) -> Recognised | None:
    with read_as_written_by(family.name, source):
        return family.recognise(source)


def _spelled(asked: str, family: Family) -> str:
    """Spell an architecture as its family does."""
    known = {name.lower(): name for name in family.layouts}
    if asked.lower() in known:
        return known[asked.lower()]
    near = difflib.get_close_matches(asked.lower(), known, n=1)
    hint = f"did you mean {known[near[0]]}?" if near else f"it has {', '.join(family.layouts)}"
    raise UsageError(f"{family.name} has no {asked!r}; {hint}")
