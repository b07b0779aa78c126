// Turns files and cameras into videos that give frames.
const CAMERA = { audio: false, video: { facingMode: "environment" } }; // of a phone the one that looks away

// Give a playing video of a file, over and over.
export async function playFile(video, file) {
  stop(video);
  video.src = URL.createObjectURL(file);
  video.loop = true;
  await video.play();
}

// Give the camera's video. Throws an Error that says what to do.
export async function playCamera(video) {
  if (!navigator.mediaDevices) throw new Error("browsers give cameras to pages from https:// or localhost alone");
  stop(video);
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia(CAMERA);
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    throw new Error(denied ? "the camera was not allowed; allow it beside the address, and try again" : `no camera: ${error.message}`);
  }
  await video.play();
}

// End what plays, and let go of the camera or the file.
export function stop(video) {
  video.pause();
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}

// Wait for the next frame; gives how many frames the video has shown by then.
export function nextFrame(video) {
  return new Promise((resolve) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback((_, { presentedFrames }) => resolve(presentedFrames));
    else requestAnimationFrame(() => resolve(video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0));
  });
}
