from __future__ import annotations

from dataclasses import replace

from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings
from edgeseg.runtime.site.plan import Plan, plan

GATE, YARD, ROOF = (StreamSettings(f"rtsp://{name}", name) for name in ("gate", "yard", "roof"))
SITE = SiteSettings("engine", (GATE, YARD))


def test_equal_settings_change_nothing() -> None:
    assert plan(SITE, replace(SITE)) == Plan(("gate", "yard"), (), (), (), False, False)


def test_streams_are_told_apart_by_name_and_compared_by_all_settings() -> None:
    wanted = replace(SITE, streams=(ROOF, replace(YARD, smooth=True)))
    assert plan(SITE, wanted) == Plan((), ("yard",), ("roof",), ("gate",), False, False)
    assert str(plan(SITE, wanted)) == "yard started anew; roof added; gate removed"


def test_their_order_is_no_change() -> None:
    assert plan(SITE, replace(SITE, streams=(YARD, GATE))).kept == ("yard", "gate")


def test_another_engine_restarts_all() -> None:
    for wanted in (replace(SITE, engine="other"), replace(SITE, device="cuda"), replace(SITE, threads=2)):
        assert plan(SITE, wanted) == Plan((), ("gate", "yard"), (), (), True, False)


def test_another_engine_whose_results_are_of_the_same_kind_restarts_none() -> None:
    wanted = replace(SITE, engine="other", streams=(GATE, replace(YARD, smooth=True)))
    assert plan(SITE, wanted, fits=True) == Plan(("gate",), ("yard",), (), (), True, False)


def test_what_sinks_keep_is_part_of_every_stream() -> None:
    assert plan(SITE, replace(SITE, keep="1h")) == Plan((), ("gate", "yard"), (), (), False, False)


def test_the_page_stays_where_it_is() -> None:
    changed = plan(SITE, replace(SITE, serve=ServeSettings()))
    assert changed.serve
    assert changed.kept == ("gate", "yard")
