"""Serve cameras by RTSP: a program for the system's Python, which has GStreamer; `rtsp.py` starts it.

It takes one JSON argument, see `rtsp.RtspServer`, prints its port as JSON when it listens, and ends when its
standard input does. Frame n of a camera is shown at `epoch_s` + n / fps, whoever looks.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402
from marks import draw_luma  # noqa: E402 - beside this program

ENCODERS = {  # threads=1: pictures of one slice, as most cameras send
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={gop} bitrate=2000 ! "
    "rtph264pay pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} ! "
    "rtph265pay pt=96 config-interval=-1",
    "mjpeg": "jpegenc quality=90 ! rtpjpegpay pt=26",
}
ROLE = "viewer"
CHROMA = 128
still = threading.Event()  # the picture does not change while this is set


def main() -> None:
    """Serve until standard input ends; lines of it are commands: `still` and `moving`."""
    asked = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(asked["port"]))
    mounts = server.get_mount_points()
    for mount, camera in asked["mounts"].items():
        mounts.add_factory(mount, _factory(camera, asked["epoch_s"], protected=bool(asked["user"])))
    if asked["user"]:
        server.set_auth(_auth(asked["user"], asked["password"], digest=asked["digest"]))
    if not server.attach(None):
        sys.exit(f"cannot listen at port {asked['port']}")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=_obey, args=(loop,), daemon=True).start()
    loop.run()


def _obey(loop: Any) -> None:
    for line in sys.stdin:
        (still.set if line.strip() == "still" else still.clear)()
    loop.quit()


def _factory(camera: dict[str, Any], epoch_s: float, *, protected: bool) -> Any:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    if camera["recording"]:
        encoder = ENCODERS[camera["codec"]].format(gop=camera["gop"])
        factory.set_launch(
            f"( filesrc location={camera['recording']} ! decodebin ! videoconvert ! {encoder} name=pay0 )"
        )
        return factory
    width, height, fps = camera["width"], camera["height"], camera["fps"]
    rate = f"{round(fps * 1000)}/1000"
    factory.set_launch(
        "( appsrc name=camera is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream "
        f"caps=video/x-raw,format=I420,width={width},height={height},framerate={rate} ! "
        + ENCODERS[camera["codec"]].format(gop=camera["gop"])
        + f" ! identity name=pay0 drop-probability={camera['loss']} )"
    )
    factory.set_latency(0)
    factory.connect("media-configure", _on_media, camera, epoch_s)
    if protected:
        permissions = GstRtspServer.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(ROLE, right, True)
        factory.set_permissions(permissions)
    return factory


def _auth(user: str, password: str, *, digest: bool) -> Any:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    return auth


def _on_media(_factory: Any, media: Any, camera: dict[str, Any], epoch_s: float) -> None:
    source = media.get_element().get_by_name("camera")
    gone = threading.Event()
    media.connect("unprepared", lambda _media: gone.set())
    threading.Thread(target=_film, args=(source, camera, epoch_s, gone), daemon=True).start()


def _film(source: Any, camera: dict[str, Any], epoch_s: float, gone: threading.Event) -> None:
    """Push a picture whenever its time has come, until nobody looks any more."""
    width, height, fps = camera["width"], camera["height"], camera["fps"]
    colour = bytes([CHROMA]) * (width * height // 2)
    picture = b""
    number = -1
    while not gone.is_set():
        now = int((time.time() - epoch_s) * fps)
        if now <= number:
            gone.wait(max(epoch_s + (number + 1) / fps - time.time(), 0.0))
            continue
        number = now
        if not still.is_set() or not picture:
            picture = draw_luma(camera["number"], number, width, height) + colour
        if source.emit("push-buffer", Gst.Buffer.new_wrapped(picture)) == Gst.FlowReturn.EOS:
            return


if __name__ == "__main__":
    main()
