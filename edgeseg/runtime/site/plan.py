"""Say what has to be done to a site that runs, so that it becomes what is asked of it now."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.runtime.settings import SiteSettings


@dataclass(frozen=True)
class Plan:
    """What becomes of streams, by name, and of what they share.

    Attributes:
        kept: the same settings: they run on.
        restarted: other settings, or another engine whose results are of another kind.
        added: new ones, in the order of the settings.
        removed: those that are not asked for any more.
        engine: another engine is to be opened.
        serve: the page's address would change, for which a site must be started anew.
    """

    kept: tuple[str, ...]
    restarted: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    engine: bool
    serve: bool

    def __str__(self) -> str:
        """Say it in one line."""
        parts = {
            "as before": self.kept,
            "started anew": self.restarted,
            "added": self.added,
            "removed": self.removed,
        }
        said = [f"{', '.join(names)} {what}" for what, names in parts.items() if names]
        said += ["another engine"] if self.engine else []
        said += ["[serve] changes when this is started again"] if self.serve else []
        return "; ".join(said)


def plan(now: SiteSettings, wanted: SiteSettings, *, fits: bool = False) -> Plan:
    """Compare settings, all of whose streams have names.

    Args:
        fits: streams go on with another engine, if there is one.
    """
    before = {stream.name: stream for stream in now.streams}
    after = {stream.name: stream for stream in wanted.streams}
    engine = _engine(now) != _engine(wanted)
    stays = (fits or not engine) and (now.rotate, now.keep) == (wanted.rotate, wanted.keep)
    common = [name for name in after if name in before]
    kept = [name for name in common if stays and before[name] == after[name]]
    return Plan(
        kept=tuple(kept),
        restarted=tuple(name for name in common if name not in kept),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        engine=engine,
        serve=now.serve != wanted.serve,
    )


def _engine(settings: SiteSettings) -> tuple[str, str | None, int | None]:
    return settings.engine, settings.device, settings.threads
