"""How many cameras the daemon itself serves here: `gesta run` on one drawn clip, played as cameras.

    python -m tests.gpu.benchmark_daemon --cameras 16 64 [--processes 2] [--seconds 20] [...]

Each camera decodes the clip (640x480, 25 frames a second, H.264) by itself, in real time, so this
counts all that the daemon does, decoding included (on the CPU, unless --decoder cuda is given). For
each number of cameras: frames and predictions a second, what was dropped and why, and the time from
a frame to its prediction, as the upper end of the histogram's bar that the median and the 99th
percentile lie in; the cores that were busy, in the daemon and in the processes that capture for it
(--processes; by default as many as it takes by itself). Further options go to `gesta run`.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import av
import numpy as np
import psutil

FPS, SIZE, CLIP_S = 25, (640, 480), 20
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)$")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Time the daemon with many cameras.")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1])
    parser.add_argument("--processes", type=int)
    parser.add_argument("--seconds", type=float, default=20.0)
    given, further = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        draw_clip(clip)
        print(
            "cameras  frames/s  predictions/s  p50<=ms  p99<=ms  daemon+capture cores  GPU MB  "
            "dropped per second",
            flush=True,
        )
        for cameras in given.cameras:
            measure(Path(folder), clip, cameras, given, further)


def draw_clip(path: Path) -> None:
    """A texture that swings from side to side; about half a megabit a second."""
    draw, (width, height) = np.random.default_rng(0), SIZE
    texture = draw.integers(0, 256, (height // 8 + 1, width // 4 + 1, 3), np.uint8)
    texture = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(FPS * CLIP_S):
            left = round(150 * (1 + np.sin(n / 20)))
            image = np.ascontiguousarray(texture[:height, left : left + width])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measure(folder: Path, clip: Path, cameras: int, given, further: list[str]) -> None:
    """One row."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "gesta.toml"
    one = f'[[camera]]\nurl = "{clip}"\nloop = true\nrealtime = true\n'
    processes = "" if given.processes is None else f"capture_processes = {given.processes}\n"
    config.write_text(f'{processes}[http]\nbind = "127.0.0.1:{port}"\n' + one * cameras)
    command = [sys.executable, "-m", "stream.cli", "run", "--config", str(config)]
    command += ["--publish", f"ipc://{folder}/bus", *further]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as daemon:
        try:
            await_ready(port, daemon, cameras)
            process = psutil.Process(daemon.pid)
            family = [[process], process.children()]
            before, spent_s, begun = scrape(port), [*map(cpu_s, family)], time.monotonic()
            time.sleep(given.seconds)
            after, took_s = scrape(port), time.monotonic() - begun
            cores = [
                (now_s - then_s) / took_s
                for now_s, then_s in zip(map(cpu_s, family), spent_s, strict=True)
            ]
            row(cameras, before, after, took_s, cores)
        except (OSError, RuntimeError, psutil.NoSuchProcess) as error:
            print(f"{cameras:7}  not measured: {error}; the log ends:")
            print((folder / "log").read_text()[-2000:])
        finally:
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(each.cpu_times().user + each.cpu_times().system for each in processes)


def await_ready(port: int, daemon: subprocess.Popen[bytes], cameras: int) -> None:
    """Until every camera has predictions; the first start builds plans for minutes."""
    last = time.monotonic() + 400
    while time.monotonic() < last:
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended with {daemon.returncode}")
        try:
            if len(of(scrape(port), "gesta_predictions_total")) >= cameras:
                time.sleep(3)  # the start is over
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError("the cameras don't all have predictions after 400 s")


def scrape(port: int) -> dict[tuple[str, str], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = (SAMPLE.match(line) for line in lines if not line.startswith("#"))
    return {(each[1], each[2] or ""): float(each[3]) for each in found if each}


def of(samples: dict[tuple[str, str], float], name: str) -> dict[str, float]:
    return {labels: value for (key, labels), value in samples.items() if key == name}


def row(cameras, before, after, took_s, cores) -> None:
    def rose(name):
        first = of(before, name)
        return {key: each - first.get(key, 0.0) for key, each in of(after, name).items()}

    dropped: Counter[str] = Counter()
    for labels, count in rose("gesta_dropped_frames_total").items():
        dropped[re.search(r'cause="(\w+)"', labels)[1]] += count / took_s
    buckets: Counter[float] = Counter()
    for labels, count in rose("gesta_capture_to_publish_seconds_bucket").items():
        buckets[float(re.search(r'le="([^"]+)"', labels)[1])] += count
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0

    def within(share):
        """At most, by the histogram's bounds."""
        if not total:
            return float("nan")
        return next(1e3 * b for b in bounds if buckets[b] >= share * total)

    frames = sum(of(after, "gesta_camera_frames_per_second").values())
    predictions = sum(rose("gesta_predictions_total").values()) / took_s
    causes = ", ".join(f"{cause} {rate:.0f}" for cause, rate in dropped.items() if rate >= 0.5)
    print(
        f"{cameras:7}  {frames:8.0f}  {predictions:13.0f}  {within(0.5):7.0f}  {within(0.99):7.0f}"
        f"  {' + '.join(f'{each:.1f}' for each in cores):>20}  {gpu_mb():6}  {causes or 'none'}",
        flush=True,
    )


def gpu_mb() -> str:
    try:
        asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        return subprocess.run(asked, capture_output=True, text=True).stdout.split()[0]
    except (OSError, IndexError):
        return "-"


if __name__ == "__main__":
    main()
