"""The command line of `gesta`: what can be said, and the help that explains it."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stream.messaging.endpoint import DEFAULT
from stream.url import mask_text

Command = Callable[[argparse.Namespace], int]

EXIT_CODES = """\
exit codes:
  0   done; run and watch, which have no end: stopped by Ctrl-C or SIGTERM
  1   a fault was found (verify)
  2   the command line or the configuration is wrong
  3   the source can't be opened (replay, check; the daemon tries again for ever)
  4   the bundle or the engine fails
  5   an endpoint can't be bound, or a file or folder not be written
  70  a bug
  130 interrupted by Ctrl-C or SIGTERM before it was done (replay, check, scene)
"""

SOURCES = """\
sources:
  rtsp://user:password@192.168.1.20/stream2   a network camera (rtsp, rtsps, http, https)
  webcam:0, /dev/video0, /dev/v4l/by-id/...   a camera of this machine
  clip.mp4                                    a video file
  scene:  or  "scene:?seed=7&size=640x480"    a drawn actor whose actions are known
A camera of high resolution usually offers a second, smaller stream: it is all that is needed.
"""


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser; a parsed command line holds its `command` and its `log_level`.

    Args:
        commands: what runs each, by its name.
    """
    top = _Parser(
        prog="gesta",
        description="Watches cameras and says, several times a second, which action is going on.",
        epilog=(
            "examples:\n"
            "  gesta run scene: --watch       see it work, without a camera\n"
            "  gesta run rtsp://user:password@192.168.1.20/stream2\n"
            "  gesta watch                    in another terminal: what that daemon says\n"
            "  gesta COMMAND --help           everything about one command\n\n" + EXIT_CODES
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True, title="commands")

    def add(name: str, summary: str, description: str, epilog: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = subparsers.add_parser(
            name,
            help=summary,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=commands[name], log_format=None)
        added.add_argument(
            "-v", "--verbose", dest="log_level", action="store_const", const=logging.DEBUG,
            default=logging.INFO, help="log more, to stderr",
        )  # fmt: skip
        added.add_argument(
            "-q", "--quiet", dest="log_level", action="store_const", const=logging.WARNING,
            help="log warnings and errors only",
        )  # fmt: skip
        return added

    _run(add)
    _watch(add)
    _replay(add)
    _check(add)
    _verify(add)
    _scene(add)
    _events(add)
    _keys(add)
    return top


Add = Callable[[str, str, str, str], argparse.ArgumentParser]


def _run(add: Add) -> None:
    added = add(
        "run",
        "watch cameras and publish what is going on (the daemon)",
        "Watches one or many cameras and publishes what is going on there, until it is stopped.\n"
        "A camera that can't be reached is tried again for ever, and never disturbs the others.",
        SOURCES + "\nexamples:\n"
        "  gesta run scene: --watch\n"
        "  gesta run rtsp://user:password@192.168.1.20/stream2 webcam:0\n"
        "  gesta run --config gesta.toml\n\n"
        "Stop it with Ctrl-C or SIGTERM.\n\n" + EXIT_CODES,
    )
    added.add_argument(
        "urls", nargs="*", metavar="URL", help="what to watch; named cam0, cam1, ... in this order"
    )
    added.add_argument("--config", type=Path, metavar="FILE", help="read this gesta.toml first")
    _add_engine_options(added)
    _add_decoder(added)
    added.add_argument(
        "--publish", metavar="ENDPOINT", help=f"where to publish (default: {DEFAULT})"
    )
    added.add_argument(
        "--insecure", action="store_true", default=None,
        help="allow an endpoint that other machines can reach; nothing guards or encrypts it",
    )  # fmt: skip
    added.add_argument("--site", help="the site's name in topics (default: home)")
    added.add_argument("--node", help="this daemon's name in topics (default: the host's name)")
    added.add_argument("--watch", action="store_true", help="show the live table here, too")
    added.add_argument(
        "--log-format", choices=("text", "json"),
        help="lines to read, or one JSON object a line (default: text)",
    )  # fmt: skip
    options = added.add_argument_group("for the URLs on this command line")
    options.add_argument(
        "--transport", choices=("tcp", "udp"), help="how RTSP travels (default: tcp)"
    )
    options.add_argument("--loop", action="store_true", default=None, help="repeat files for ever")
    options.add_argument(
        "--realtime", action="store_true", default=None,
        help="play files at their own pace, dropping what is too much, as a camera would",
    )  # fmt: skip
    options.add_argument(
        "--explain", action="store_true", default=None,
        help="publish pictures, and where in them the model looked, too",
    )  # fmt: skip


def _watch(add: Add) -> None:
    added = add(
        "watch",
        "show what a daemon publishes",
        "Shows what a daemon publishes: a live table in a terminal, otherwise one line per camera\n"
        "every half second. Waits for a daemon that is not there. Leave it with Ctrl-C.",
        "examples:\n"
        "  gesta watch\n"
        "  gesta watch tcp://127.0.0.1:5599 --topic gesta/1/home/cam0/\n"
        "  gesta watch --json | jq .top[0]\n",
    )
    added.add_argument(
        "endpoint", nargs="?", default=DEFAULT, metavar="ENDPOINT",
        help=f"where the daemon publishes (default: {DEFAULT})",
    )  # fmt: skip
    added.add_argument(
        "--topic", action="append", metavar="PREFIX",
        help="only topics that begin so; may be given again (default: gesta/1/, all of them)",
    )  # fmt: skip
    added.add_argument("--json", action="store_true", help="one message a line, as it was sent")
    added.add_argument(
        "--key", type=Path, metavar="FILE", help="what gesta keys new made, for a daemon with keys"
    )


def _replay(add: Add) -> None:
    added = add(
        "replay",
        "run a video file through the same path, as fast as it goes",
        "Runs a video file through the very path that a camera takes, as fast as this machine\n"
        "can. The numbers are the same each time, bit for bit; only ids, clock times and\n"
        "latencies differ.",
        "examples:\n"
        "  gesta replay clip.mp4\n"
        "  gesta replay clip.mp4 --json > predictions.jsonl\n\n" + EXIT_CODES,
    )
    added.add_argument("file", metavar="FILE", help="the video file")
    _add_engine_options(added)
    added.add_argument(
        "--json", action="store_true",
        help="one prediction message a line (with --rules: one event), and nothing else",
    )  # fmt: skip
    added.add_argument(
        "--rules", dest="config", type=Path, metavar="FILE",
        help="tell of the events that this gesta.toml's rules would make of it, instead",
    )  # fmt: skip
    added.add_argument(
        "--camera", metavar="NAME",
        help="with --rules: look at it as this camera of that file would, by its region and zoom, "
        "and try its rules alone",
    )  # fmt: skip
    added.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="with --rules: draw them, too"
    )
    added.add_argument(
        "--truth", type=Path, metavar="FILE.json",
        help="with --rules: what really happens, as `gesta scene --stream` writes it; say how well "
        "each rule's events agree with it",
    )  # fmt: skip


def _check(add: Add) -> None:
    added = add(
        "check",
        "say what this machine has, and how many cameras it will hold",
        "Says what this machine has, whether the bundle runs on it, whether a URL opens and what\n"
        "comes from it, and how many such cameras the machine will hold (measured, some seconds).",
        SOURCES + "\nexamples:\n"
        "  gesta check\n"
        "  gesta check --precision int8 --clips recordings\n"
        "  gesta check rtsp://user:password@192.168.1.20/stream2\n\n" + EXIT_CODES,
    )
    what = added.add_mutually_exclusive_group()
    what.add_argument("url", nargs="?", metavar="URL", help="a source to try (default: none)")
    what.add_argument(
        "--clips", type=Path, metavar="DIR",
        help="say instead how often the precision gives fp32's answers on the videos in here",
    )  # fmt: skip
    _add_engine_options(added)
    _add_decoder(added)
    added.add_argument(
        "--transport", choices=("tcp", "udp"), help="how RTSP travels (default: tcp)"
    )


def _verify(add: Add) -> None:
    added = add(
        "verify",
        "say whether a daemon, or a recording of one, keeps what its messages promise",
        "Holds every message against its type and against the rules that subscribers rely on:\n"
        "numbers without a gap, heartbeats on time, times that go forward, events that begin\n"
        "once, go on step by step and end. Prints a sentence for each fault.",
        "examples:\n"
        "  gesta verify tcp://127.0.0.1:5599 --seconds 60\n"
        "  gesta watch --json > heard.jsonl; gesta verify heard.jsonl\n\n" + EXIT_CODES,
    )
    added.add_argument(
        "target", nargs="?", default=DEFAULT, metavar="ENDPOINT|FILE",
        help=f"where a daemon publishes, or what gesta watch --json wrote (default: {DEFAULT})",
    )  # fmt: skip
    added.add_argument(
        "--seconds", type=float, default=10.0, metavar="N",
        help="listen for so long; 0 until Ctrl-C (default: %(default)g)",
    )  # fmt: skip
    added.add_argument(
        "--key", type=Path, metavar="FILE", help="what gesta keys new made, for a daemon with keys"
    )


def _scene(add: Add) -> None:
    added = add(
        "scene",
        "write labelled clips of the drawn scene",
        "Writes short clips of the drawn scene into a folder, in one folder per label, with a\n"
        "labels.csv; or one long scene with its truth beside it as JSON. The same seed gives\n"
        "the same pictures.",
        "examples:\n"
        "  gesta scene --out clips\n"
        "  gesta scene --out streets --street --fps 12\n"
        "  gesta scene --out clips --clips 20 --seed 5000 --label walk --label wave\n"
        "  gesta scene --out streams --stream 120\n",
    )
    added.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to write into"
    )
    added.add_argument(
        "--clips", type=int, default=5, metavar="N", help="clips per label (default: %(default)s)"
    )
    added.add_argument(
        "--stream", type=float, metavar="SECONDS",
        help="write one scene of this length instead of clips",
    )  # fmt: skip
    added.add_argument(
        "--seed", type=int, default=0, help="the first clip's, or the stream's (default: 0)"
    )
    added.add_argument(
        "--label", action="append", metavar="LABEL", help="only this one; may be given again"
    )
    added.add_argument(
        "--size", type=_size, default=(320, 240), metavar="WxH", help="(default: 320x240)"
    )
    added.add_argument("--fps", type=float, default=25.0, help="(default: %(default)s)")
    added.add_argument(
        "--street", action="store_true",
        help="draw small people who walk or run before a camera that hangs high, in place of one "
        "actor who fills the picture",
    )  # fmt: skip


def _events(add: Add) -> None:
    added = add(
        "events",
        "list the events that were stored",
        "Lists the events in the store of a daemon on this machine, oldest first; it may be\n"
        "running.",
        "examples:\n"
        "  gesta events --since 24h\n"
        "  gesta events --since 2026-11-26T14:00 --label fall --json\n"
        "  gesta events --config /etc/gesta/gesta.toml --csv > events.csv\n\n" + EXIT_CODES,
    )
    added.add_argument("--config", type=Path, metavar="FILE", help="the daemon's gesta.toml")
    added.add_argument("--store", type=Path, metavar="FILE", help="the store itself")
    added.add_argument(
        "--since", metavar="TIME",
        help="that went on then, or began later: 90m, 2h or 7d ago, or 2026-11-26T14:00",
    )  # fmt: skip
    added.add_argument(
        "--until", metavar="TIME", help="that began before then, written in the same way"
    )
    for name in ("label", "camera", "rule"):
        added.add_argument(
            f"--{name}", action="append", metavar=name.upper(),
            help=f"of this {name}; may be given again",
        )  # fmt: skip
    form = added.add_mutually_exclusive_group()
    form.add_argument(
        "--json", dest="form", action="store_const", const="json", help="one object a line"
    )
    form.add_argument("--csv", dest="form", action="store_const", const="csv")
    added.set_defaults(form="table")


def _keys(add: Add) -> None:
    added = add(
        "keys",
        "say who may connect to a daemon",
        "Makes, lists and revokes the keys of clients that may connect to a daemon with `keys` in\n"
        "[publish]. A new key is one file for the client; it is shown to nobody else.",
        "examples:\n"
        "  gesta keys new desk --config /etc/gesta/gesta.toml\n"
        "  gesta keys list\n"
        "  gesta keys revoke desk\n\n" + EXIT_CODES,
    )
    actions = added.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, what in (("new", "let one more client in"), ("list", "who may connect"),
                         ("revoke", "let a client in no longer")):  # fmt: skip
        each = actions.add_parser(action, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if action != "list":
            each.add_argument("name", metavar="NAME", help="the client's, of a-z, 0-9, _ and -")
        if action == "new":
            each.add_argument(
                "--out", type=Path, metavar="FILE", help="the client's file (default: NAME.key)"
            )
        each.add_argument("--config", type=Path, metavar="FILE", help="the daemon's gesta.toml")
        each.add_argument("--keys", type=Path, metavar="DIR", help="the folder of keys itself")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it as 320x240") from None


def _add_engine_options(added: argparse.ArgumentParser) -> None:
    added.add_argument(
        "--bundle", metavar="NAME|PATH",
        help="a built-in bundle's name, a folder or a .zip (default: default)",
    )  # fmt: skip
    added.add_argument(
        "--device", choices=("auto", "cpu", "cuda"),
        help="auto takes an NVIDIA GPU that has all it needs, else the CPU (default: auto)",
    )  # fmt: skip
    added.add_argument(
        "--precision", choices=("auto", "fp32", "fp16", "bf16", "int8"),
        help="auto takes bf16, or on a GPU fp16, where the machine has it and it passes the check; "
        "int8 is faster and gives a few other answers, where the bundle has it (default: auto)",
    )  # fmt: skip
    added.add_argument(
        "--flow", choices=("dis", "tvl1"), help="(default: on a GPU tvl1, else the bundle's first)"
    )
    added.add_argument(
        "--allow-flow-mismatch", action="store_true", default=None,
        help="run a flow that the bundle was not trained on; nobody has measured how well",
    )  # fmt: skip


def _add_decoder(added: argparse.ArgumentParser) -> None:
    added.add_argument(
        "--decoder", choices=("cpu", "cuda"),
        help="cuda has an NVIDIA GPU decode cameras' H.264, H.265 and VP9 (default: cpu)",
    )  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Repeats what it can't understand, as any parser does, but never a password in it."""

    def error(self, message: str) -> NoReturn:
        super().error(mask_text(message))


class _Version(argparse.Action):
    """Reads the installed version only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        from stream.version import version

        sys.stdout.write(f"gesta {version()}\n")
        parser.exit()
