"""`gesta`: the front door. A command's parts are imported when it runs, so that help is quick."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.console import (
    INTERRUPTED,
    abandon_stdout,
    interrupt_on_signals,
    prepare_standard_streams,
)
from engine.errors import EngineError
from stream.arguments import parser
from stream.errors import StreamError
from stream.log import complain, mask_also, start_logging
from stream.signals import ignore_signals, reload_on_hangup, stopped_by_signals

if TYPE_CHECKING:
    from stream.configuration.config import Config

_KEYS = (  # of the configuration, that are options as well
    "site", "node", "bundle", "device", "precision", "flow", "allow_flow_mismatch", "decoder",
    "log_format",
)  # fmt: skip
_SHOW_CURSOR = "\x1b[?25h"  # what a moving line hides while it moves


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code, or ends the process where a thread can't be ended."""
    prepare_standard_streams()
    commands = {
        "run": _run,
        "watch": _watch,
        "replay": _replay,
        "check": _check,
        "verify": _verify,
        "scene": _scene,
        "events": _events,
        "keys": _keys,
    }
    with stopped_by_signals() as stop:  # noted, until the command says what it makes of them
        arguments = parser(commands).parse_args(argv, Namespace(stop=stop))
        code = _guarded(arguments)
    interrupted = argv is None and stop.is_set()  # this process is the command's own
    if interrupted:
        ignore_signals()
    # A thread blocked in FFmpeg or a compiler would wake up in an interpreter that is gone. And
    # one that is gone ends by the signal, whatever the code, where that struck inside an `exec`,
    # as dataclasses use it (CPython notes the exception there, caught later or not).
    if interrupted or any(
        thread.name.startswith(("capture:", "inference", "courier:", "evidence"))
        for thread in threading.enumerate()
    ):
        sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
        os._exit(code)
    return code


def _guarded(arguments: Namespace) -> int:
    """Runs the command; whatever goes wrong becomes a sentence."""
    start_logging(arguments.log_level, form=arguments.log_format or "text")
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
        return code
    except (EngineError, StreamError) as error:
        complain(str(error))
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:  # noqa: BLE001  the last resort
        if arguments.stop.is_set() and arguments.command is not _run:
            return _interrupted()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            abandon_stdout()  # or the last flush fails, too
            complain(f"the output can't be written ({error.strerror}); make room for it")
            return 5
        return report_bug(error)


def _interrupted() -> int:
    complain("interrupted before it was done")
    return INTERRUPTED


def report_bug(error: Exception) -> int:
    """One sentence for an error that nobody foresaw; the traceback goes to the log with -v."""
    import logging

    complain(f"{type(error).__name__}: {error}; this is a bug, please report it (-v says where)")
    logging.getLogger(__name__).debug("where it happened:", exc_info=error)
    return 70


def _run(arguments: Namespace) -> int:
    from threading import Event

    from stream.configuration.reload import Reload
    from stream.run import run

    reload = Reload(
        arguments.config,
        load=lambda: _config_again(arguments),
        config=_config(arguments, arguments.urls),
        asked=Event() if arguments.config is None else reload_on_hangup(),
    )
    run(reload, stop=arguments.stop, show=arguments.watch)
    return 0


def _watch(arguments: Namespace) -> int:
    with contextlib.suppress(KeyboardInterrupt):  # how one leaves a view that has no end
        interrupt_on_signals(arguments.stop)
        from stream.messaging.topics import ROOT
        from stream.watch import watch

        watch(
            arguments.endpoint,
            arguments.topic or [ROOT],
            as_json=arguments.json,
            key=arguments.key,
        )
    return 0


def _replay(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from stream.errors import ConfigError
    from stream.replay import replay

    if arguments.config is None and (arguments.camera or arguments.picture or arguments.truth):
        raise ConfigError(
            "--camera, --picture and --truth are about events; say --rules FILE as well"
        )
    replay(
        _config(arguments, [arguments.file]),
        as_json=arguments.json,
        only_rules=arguments.config is not None,
        picture=arguments.picture,
        truth=arguments.truth,
    )
    return 0


def _events(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from pathlib import Path

    from stream.configuration.config import default_store
    from stream.configuration.loader import load_config
    from stream.events.listing import list_events

    path = default_store()
    if arguments.config is not None:
        path = Path(load_config(arguments.config, only={"events"}).events.store)
    list_events(
        arguments.store or path,
        since=arguments.since,
        until=arguments.until,
        labels=arguments.label or (),
        cameras=arguments.camera or (),
        rules=arguments.rule or (),
        form=arguments.form,
    )
    return 0


def _check(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from stream.check import check

    opens_url = arguments.url is not None
    check(
        _config(arguments, [arguments.url if opens_url else "scene:"]),
        opens_url=opens_url,
        clips=arguments.clips,
    )
    return 0


def _verify(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from stream.verify import verify

    return verify(arguments.target, listen_s=arguments.seconds, key=arguments.key)


def _scene(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from stream.scene.clips import write_clips, write_stream

    labels, out, street = arguments.label, arguments.out, arguments.street
    if arguments.stream is None:
        clips = write_clips(
            out,
            clips_per_label=arguments.clips,
            first_seed=arguments.seed,
            labels=labels,
            street=street,
            size=arguments.size,
            fps=arguments.fps,
        )
        sys.stdout.write(f"{len(clips)} clips in {out}, listed in {out / 'labels.csv'}\n")
    else:
        video = out / f"{'street' if street else 'scene'}_{arguments.seed:07d}.mp4"
        truth = write_stream(
            video,
            seed=arguments.seed,
            duration_s=arguments.stream,
            size=arguments.size,
            fps=arguments.fps,
            labels=labels,
            street=street,
        )
        sys.stdout.write(f"{video}, with its truth in {truth}\n")
    return 0


def _keys(arguments: Namespace) -> int:
    interrupt_on_signals(arguments.stop)
    from pathlib import Path

    from stream.configuration.config import default_keys
    from stream.configuration.loader import load_config
    from stream.messaging.keys import KeyFolder

    folder = arguments.keys or default_keys()
    if arguments.config is not None:
        publish = load_config(arguments.config, only={"publish"}).publish
        folder = Path(publish.keys or folder)
    keys = KeyFolder(folder)
    if arguments.action == "list":
        for name in keys.names():
            sys.stdout.write(f"{name}\n")
    elif arguments.action == "revoke":
        keys.revoke(arguments.name)
        sys.stdout.write(f"{arguments.name} is refused from its next connection on\n")
    else:
        out = arguments.out or Path(f"{arguments.name}.key")
        keys.new(arguments.name, out)
        sys.stdout.write(
            f"{out} is for the client: gesta watch ENDPOINT --key {out}; the daemon lets it in "
            f'with keys = "{folder.absolute()}" in [publish]\n'
        )
    return 0


def _config(arguments: Namespace, urls: Sequence[str]) -> Config:
    """What the TOML file and the command line say together; the log begins to heed it."""
    config = _read_config(arguments, urls)
    # The file speaks of the daemon's log; whoever tries its rules on a video reads lines.
    form = config.log_format if arguments.command is _run else "text"
    start_logging(arguments.log_level, config.secrets, form)
    return config


def _config_again(arguments: Namespace) -> Config:
    config = _read_config(arguments, arguments.urls)
    mask_also(config.secrets)
    return config


def _read_config(arguments: Namespace, urls: Sequence[str]) -> Config:
    import msgspec

    from stream.configuration.loader import load_config
    from stream.errors import ConfigError

    given = {key: value for key, value in vars(arguments).items() if value is not None}
    overrides: dict[str, Any] = {key: given.get(key) for key in _KEYS}
    overrides["publish"] = {"bind": given.get("publish"), "insecure": given.get("insecure")}
    file = given.get("config")
    config = load_config(
        file,
        urls,
        overrides=overrides,
        rehearsal=arguments.command is _replay,
        camera=given.get("camera"),
    )
    if not config.cameras:
        what = "give a URL, a file, scene: or --config FILE"
        if file is not None:
            what = f"add a [[camera]] to {file}"
        raise ConfigError(f"there is no camera to watch; {what}")
    # These options speak of the command line's own sources, which come last.
    options = {k: given[k] for k in ("loop", "realtime", "explain", "transport") if k in given}
    first = len(config.cameras) - len(urls)
    cameras = config.cameras[:first] + tuple(
        msgspec.structs.replace(camera, **options) for camera in config.cameras[first:]
    )
    return msgspec.structs.replace(config, cameras=cameras)


if __name__ == "__main__":
    sys.exit(main())
