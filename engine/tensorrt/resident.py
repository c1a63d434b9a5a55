"""Frames up, scores down: what lies between CNN, head and lanes stays on the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import cast

import numpy as np

from engine.arrays import F32
from engine.cuda.gpu import Device, Memory
from engine.flow import pictures
from engine.flow.cuda_eyes import CudaEyes
from engine.flow.estimator import FlowParameter
from engine.flow.eyes_check import check
from engine.flow.stack import STACK
from engine.flow.tvl1_settings import TvL1Settings
from engine.lanes import Window
from engine.manifest import Manifest
from engine.pipeline import STREAMS, Seen, Windows
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.sight import Eyes, Picture
from engine.tensorrt.resident_stream import ResidentStream, ResidentWindow
from engine.tensorrt.rows import SOURCE, Rows

_FLOAT_BYTES = 4


class ResidentPipeline:
    """Runs a bundle's graphs on one GPU without coming back to the host between them.

    A step copies a table of rows up, with those pictures that aren't on the GPU already
    (`open_eyes`), and one array of scores, logits and attention down: about a kilobyte a camera and
    stream. A camera's state is taken when it comes, and used again by whoever comes after it; else
    nothing is allocated after the start.

    cnns, heads: by stream. They stay their caller's, and must not run meanwhile.

    captured: by graph, the batch sizes that are one launch.

    Raises DeviceMissing, DeviceFull or DeviceFailed.
    """

    def __init__(
        self,
        device: Device,
        manifest: Manifest,
        cnns: Mapping[str, TensorRtRunner],
        heads: Mapping[str, TensorRtRunner],
    ) -> None:
        self._device, self._segments = device, manifest.segments
        maps = [_map(cnns[stream]) for stream in STREAMS]
        self._rows = Rows.of(manifest, max(h * w for h, w in maps))
        runners = (*cnns.values(), *heads.values())
        self._largest = max(size for runner in runners for size in runner.batches)
        self._free: list[Memory] = []  # states that nobody has
        self._taken = ExitStack()  # gives everything back
        with device.current():
            try:
                self._prepare(cnns, heads)
            except BaseException:
                self._taken.close()
                raise
        self.captured = {
            runner.name: batches.captured
            for stream in STREAMS
            for runner, batches in (
                (cnns[stream], self._streams[stream].cnn),
                (heads[stream], self._streams[stream].head),
            )
        }

    def begin(self, stream: str) -> Window:  # noqa: ARG002  (both streams' states are alike)
        """See Pipeline."""
        if self._free:
            state = self._free.pop()
        else:
            with self._device.current():
                state = self._allocated(self._rows.state_floats)
        return ResidentWindow(self._rows, self._segments, state)

    def end(self, window: Window) -> None:
        """See Pipeline."""
        self._free.append(cast(ResidentWindow, window).state)

    def step(self, windows: Windows, frames: Mapping[str, Sequence[Picture]]) -> Seen:
        """See Pipeline. stage_ms is by the GPU's own clock, copies up included."""
        with self._device.current():
            parts = [
                self._step(
                    {stream: _cast(windows[stream][part]) for stream in STREAMS},
                    {stream: frames[stream][part] for stream in STREAMS},
                )
                for part in self._parts(windows)
            ]
        return Seen(
            {
                stream: np.concatenate([seen.attention[stream] for seen in parts])
                for stream in STREAMS
                if windows[stream]
            },
            {stage: sum(seen.stage_ms[stage] for seen in parts) for stage in (*STREAMS, "head")},
        )

    def enter(self, windows: Windows, features: Mapping[str, F32] | None = None) -> None:
        """See Pipeline."""
        with self._device.current():
            for part in self._parts(windows):
                mine = {stream: _cast(windows.get(stream, ())[part]) for stream in STREAMS}
                place = 0
                for stream, of_stream in mine.items():
                    self._streams[stream].fill(of_stream, place)
                    place += len(of_stream)
                    if features is not None:
                        for window, feature in zip(of_stream, features[stream][part], strict=True):
                            self._device.upload(window.state, feature, self._compute)
                    self._streams[stream].advance()
                self._collect(mine)

    def open_eyes(
        self,
        manifest: Manifest,
        parameters: Mapping[str, FlowParameter],
        *,
        bound_px: float,
        hidden: int,
        lag: int,
        progress: Callable[[str], None],
    ) -> Eyes:
        """See DevicePipeline."""
        with self._device.current():
            eyes = CudaEyes(
                self._device,
                pictures.Pictures.of(manifest, bound_px, hidden),
                TvL1Settings.of(parameters),
                compute=self._compute,
                copies=self._copies,
                lag=lag,
            )
        try:
            progress(f"made on the GPU, {check(eyes, parameters)}")
        except BaseException:
            eyes.close()
            raise
        self._taken.callback(eyes.close)
        return eyes

    def close(self) -> None:
        """See Pipeline."""
        with self._device.current():
            self._taken.close()

    def _prepare(
        self, cnns: Mapping[str, TensorRtRunner], heads: Mapping[str, TensorRtRunner]
    ) -> None:
        device, rows = self._device, self._rows
        self._compute, self._copies = device.stream(), device.stream()
        self._done = device.event()
        self._marks = [device.event() for _ in (*STREAMS, "head", "end")]
        places = len(STREAMS) * self._largest
        self._result = self._allocated(places * rows.result_floats)
        self._results: F32 = device.pinned((places, rows.result_floats), np.float32)
        row_kernels, picture_kernels = map(device.kernels, (SOURCE, pictures.SOURCE))
        self._streams: dict[str, ResidentStream] = {}
        for stream in STREAMS:
            self._streams[stream] = ResidentStream(
                device,
                row_kernels,
                picture_kernels,
                cnn=cnns[stream],
                head=heads[stream],
                rows=rows,
                largest=self._largest,
                map_size=_map(cnns[stream]),
                depth={"rgb": 1, "flow": STACK}[stream],
                result=self._result,
                compute=self._compute,
                copies=self._copies,
            )
            self._taken.callback(self._streams[stream].close)

    def _step(
        self,
        windows: Mapping[str, Sequence[ResidentWindow]],
        frames: Mapping[str, Sequence[Picture]],
    ) -> Seen:
        device, place = self._device, 0
        device.record(self._marks[0], self._compute)
        for mark, stream in enumerate(STREAMS, start=1):
            # While the GPU computes the first stream, the second one's pictures are gathered here.
            self._streams[stream].fill(windows[stream], place, frames[stream])
            self._streams[stream].look()
            place += len(windows[stream])
            device.record(self._marks[mark], self._compute)
        for stream in STREAMS:
            self._streams[stream].advance()
        device.record(self._marks[-1], self._compute)
        maps = self._collect(windows)
        took_ms = [
            device.between_ms(begin, end)
            for begin, end in zip(self._marks, self._marks[1:], strict=False)
        ]
        return Seen(maps, dict(zip((*STREAMS, "head"), took_ms, strict=True)))

    def _collect(self, windows: Mapping[str, Sequence[ResidentWindow]]) -> dict[str, F32]:
        """One copy down, and every window takes over its row. Returns the attention maps."""
        device, place = self._device, 0
        device.record(self._done, self._compute)
        device.follow(self._copies, self._done)
        rows = sum(map(len, windows.values()))
        device.download(self._results[:rows], self._result, self._copies)
        device.wait(self._copies)
        maps = {}
        for stream, of_stream in windows.items():
            found = self._results[place : place + len(of_stream)]
            maps[stream] = self._streams[stream].take_over(of_stream, found)
            place += len(of_stream)
        return maps

    def _parts(self, windows: Windows) -> Iterator[slice]:
        """What fits the largest batch at a time."""
        for start in range(0, max(map(len, windows.values())), self._largest):
            yield slice(start, start + self._largest)

    def _allocated(self, floats: int) -> Memory:
        memory = self._device.allocate(_FLOAT_BYTES * floats)
        self._taken.callback(memory.free)
        return memory


def _map(cnn: TensorRtRunner) -> tuple[int, int]:
    """Height and width of its attention."""
    _, height, width = next(iter(cnn.profiles.values())).shape("attention")
    return height, width


def _cast(windows: Sequence[Window]) -> Sequence[ResidentWindow]:
    return cast("Sequence[ResidentWindow]", windows)
