from __future__ import annotations

from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings, ZoneSettings
from edgeseg.runtime.site.ranges import out_of_range


def test_defaults_are_in_their_ranges() -> None:
    assert out_of_range(SiteSettings("e", (StreamSettings("0"),), serve=ServeSettings())) == []


def test_every_number_is_looked_at() -> None:
    zone = ZoneSettings("z", "c", polygon=((0.0, 0.0), (2.0, 0.5)), above=-1, for_s=-0.5)
    stream = StreamSettings(
        "0",
        stall_timeout_s=0.0,
        score_threshold=1.5,
        crf_threads=0,
        budget_ms=-1.0,
        tile_overlap=1.0,
        zones=(zone,),
    )
    found = out_of_range(SiteSettings("e", (stream,), threads=0, serve=ServeSettings(port=65536)))
    assert [str(fault) for fault in found] == [
        "streams[0].stall_timeout_s must be above 0 and at most 3600, got 0",
        "streams[0].score_threshold must be 0 to 1, got 1.5",
        "streams[0].crf_threads must be 1 to 1024, got 0",
        "streams[0].budget_ms must be above 0 and at most 86400000, got -1",
        "streams[0].tile_overlap must be 0 to 0.49, got 1",
        "streams[0].zones[0].polygon[1][0] must be 0 to 1, got 2",
        "streams[0].zones[0].above must be 0 to 1000000000, got -1",
        "streams[0].zones[0].for_s must be 0 to 86400, got -0.5",
        "threads must be 1 to 1024, got 0",
        "serve.port must be 0 to 65535, got 65536",
    ]
