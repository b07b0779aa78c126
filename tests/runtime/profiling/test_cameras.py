from __future__ import annotations

import time

from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.fake import fake_outputs
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.cameras import Replay, run_cameras
from edgeseg.runtime.profiling.scenarios import Limits

from ..fakes import SEMANTIC, GreyFrames


def frames(greys: list[int]) -> list[Frame]:
    return list(GreyFrames(greys))


def test_a_replay_goes_on_for_ever_from_its_first_frame_with_indices_that_rise() -> None:
    replay = Replay(frames([10, 20, 30]), first=2)
    before_s = time.monotonic()
    given = [replay.read() for _ in range(4)]
    assert [int(frame.image[0, 0, 0]) for frame in given if frame] == [30, 10, 20, 30]
    assert [frame.index for frame in given if frame] == [0, 1, 2, 3]
    assert all(frame.time_s >= before_s for frame in given if frame)
    assert not replay.live


def test_every_camera_is_served_and_nothing_of_a_recording_is_dropped() -> None:
    seen: set[int] = set()

    def compute(images):
        seen.update(int(image[0, 0, 0]) for image in images)
        return fake_outputs(SEMANTIC, images)

    engine = FakeBackend(SEMANTIC, compute).engine()
    cameras = [Replay(frames([grey])) for grey in (10, 20, 30)]
    counted: list[None] = []
    limits = Limits(8, warmup=3, on_frame=lambda: counted.append(None))
    run, drops = run_cameras([Segmenter(engine) for _ in cameras], cameras, limits)
    assert seen == {10, 20, 30}
    assert drops == 0
    assert len(run.latencies_s) == len(counted) == 24
    assert {len(durations) for name, durations in run.stages_s.items() if name != "capture"} == {24}
    assert run.seconds > 0


def test_time_ends_the_run_after_one_frame_at_the_earliest() -> None:
    engine = FakeBackend(SEMANTIC).engine()
    limits = Limits(10**9, seconds=0.0, warmup=0)
    run, _ = run_cameras([Segmenter(engine)], [Replay(frames([10]))], limits)
    assert len(run.latencies_s) == 1
