"""The scene as a source: `scene:` or `scene:?seed=7&size=640x480&fps=25&realtime=0`."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from stream.errors import ConfigError
from stream.frame import SourceFrame
from stream.scene import Scene
from stream.scene.shapes import U8
from stream.sources.source import StreamInfo

_EXAMPLE = "write it as scene:?seed=7&size=640x480&fps=25&realtime=1"
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class SceneSettings:
    """What a scene's URL may state. size is (width, height) in pixels."""

    seed: int = 0
    size: tuple[int, int] = (640, 480)
    fps: float = 25.0
    realtime: bool = True


def is_scene(url: str) -> bool:
    return url.partition("?")[0] == "scene:"


def parse_scene_url(url: str) -> SceneSettings:
    """The settings of a `scene:` URL. Raises ConfigError that says which part is wrong."""
    head, _, query = url.partition("?")
    if head != "scene:":
        raise ConfigError(f'"{url}" is not a scene; {_EXAMPLE}')
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ConfigError(f'"{url}" has a part that is not name=value; {_EXAMPLE}') from None
    for name, value in pairs:
        if name not in ("seed", "size", "fps", "realtime"):
            raise ConfigError(f'"{url}": a scene has no setting "{name}"; {_EXAMPLE}')
        if name in found:
            raise ConfigError(f'"{url}": {name} is given twice; {_EXAMPLE}')
        found[name] = value
    settings = SceneSettings(
        seed=int(_matched(url, found, "seed", r"\d{1,18}", "0")),
        size=_size(_matched(url, found, "size", r"\d{1,5}x\d{1,5}", "640x480")),
        fps=float(_matched(url, found, "fps", r"\d{1,5}(\.\d+)?", "25")),
        realtime=_matched(url, found, "realtime", r"[01]", "1") == "1",
    )
    _scene(settings)  # refuses a size or a rate that can't be drawn
    return settings


class SceneSource:
    """Draws a scene as it is asked for. In real time it behaves as a camera does: frames come by
    the wall clock, and those that nobody took in time are lost (counted as "late").

    Raises ConfigError for a URL that can't be understood, at once.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        utc_ns: Callable[[], int] = time.time_ns,
        sleep_s: Callable[[float], None] | None = None,
    ) -> None:
        self._settings = parse_scene_url(url)
        self._monotonic_ns, self._utc_ns = monotonic_ns, utc_ns
        self._closed = threading.Event()
        self._sleep_s: Callable[[float], object] = sleep_s or self._closed.wait

    @property
    def live(self) -> bool:
        return self._settings.realtime

    def open(self) -> StreamInfo:
        width, height = self._settings.size
        return StreamInfo(width, height, self._settings.fps, codec="drawn", transport="none")

    def frames(self) -> Iterator[SourceFrame]:
        """Frames without end, with their truth; ends once the source is closed."""
        (width, height), fps = self._settings.size, self._settings.fps
        started_ns, late = self._monotonic_ns(), 0
        for step in _scene(self._settings).steps():
            if self._closed.is_set():
                return
            pts_ns = round(step.tick * _SECOND_NS / fps)
            due_ns = started_ns + pts_ns
            if self.live and self._monotonic_ns() > due_ns + _SECOND_NS / fps:
                late += 1
                continue
            image = step.draw()
            ahead_ns = due_ns - self._monotonic_ns()
            if self.live and ahead_ns > 0:
                self._sleep_s(ahead_ns / _SECOND_NS)
            yield SourceFrame(
                pts_ns=pts_ns,
                captured_at_ns=self._utc_ns(),
                clock="device",
                uncertainty_ms=1.0,
                width=width,
                height=height,
                image=_drawn(image),
                truth=step.label,
                lost={"late": late} if late else {},
            )
            late = 0

    def close(self) -> None:
        self._closed.set()


def _scene(settings: SceneSettings) -> Scene:
    width, height = settings.size
    return Scene(settings.seed, width, height, settings.fps)


def _drawn(image: U8) -> Callable[[], U8]:
    return lambda: image


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def _matched(url: str, found: dict[str, str], name: str, pattern: str, default: str) -> str:
    value = found.get(name, default)
    if re.fullmatch(pattern, value) is None:
        raise ConfigError(f'"{url}": {name} can\'t be "{value}"; {_EXAMPLE}')
    return value
