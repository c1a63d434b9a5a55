"""`gesta-engine`: look into a bundle and try it on this machine.

A command's parts are imported when it runs, so that Ctrl-C finds `main` ready for it at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Event

from engine.console import (
    INTERRUPTED,
    abandon_stdout,
    interrupt_on_signals,
    prepare_standard_streams,
)
from engine.errors import EngineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    prepare_standard_streams()
    came = Event()
    try:
        interrupt_on_signals(came)
        given = _parser().parse_args(arguments)
        code = int(given.run(given))
        sys.stdout.flush()
    except EngineError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:  # noqa: BLE001  the last resort
        if came.is_set():
            return _interrupted()
        if isinstance(error, OSError):
            abandon_stdout()
            return _complain(f"a file can't be read or written: {error}", 5)
        return _complain(f"{type(error).__name__}: {error}; this is a bug, please report it", 70)
    return code


def _interrupted() -> int:
    return _complain("interrupted before it was done", INTERRUPTED)


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"gesta-engine: {sentence}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    from engine import openvino_graphs
    from engine.device import DEVICES, PRECISIONS

    parser = argparse.ArgumentParser(
        prog="gesta-engine",
        description="Look into a bundle and try it on this machine.",
        epilog="examples:\n  gesta-engine verify default\n  gesta-engine bench\n\n"
        "exit codes: 0 done, 2 the command line is wrong, 4 the bundle or the engine fails,\n"
        "5 the output can't be written, 70 a bug, 130 interrupted by Ctrl-C or SIGTERM",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="check a bundle's files and numbers",
        description="Check every file of a bundle against its sums, say what it is, compile it for "
        "this machine, and hold the numbers against the bundle's golden ones.",
    )
    verify.add_argument("bundle", metavar="BUNDLE", help="a built-in name, a folder or a .zip")
    verify.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    verify.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of the CNNs; auto is bf16, or fp16 on a GPU, where the machine has it and the bundle "
        "allows it, never int8",
    )
    verify.set_defaults(run=_verify)
    bench = commands.add_parser(
        "bench",
        help="time one prediction: recomputed in torch, recomputed here, and incremental",
        description="Time one prediction three ways in one run (its window recomputed in torch, "
        "its window recomputed on this machine's runner, and incrementally as the daemon does) "
        "and print the ratios. Flow is timed apart. Leave the machine alone meanwhile.",
        epilog="examples:\n"
        "  gesta-engine bench\n"
        "  gesta-engine bench --backbone resnet152  the paper's, random weights\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = bench.add_mutually_exclusive_group()
    what.add_argument(
        "--bundle", default="default", metavar="NAME|PATH", help="default: %(default)s"
    )
    what.add_argument(
        "--backbone",
        metavar="NAME",
        help="a model of the paper's shape with random weights instead: resnet152, resnet50, "
        "resnet18 or mobilenet_v2 (needs torch)",
    )
    bench.add_argument(
        "--precision", action="append", choices=openvino_graphs.PRECISIONS,
        help="may be given again (default: fp32, bf16 where the CPU computes in it, and int8 where "
        "the bundle has it)",
    )  # fmt: skip
    bench.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    bench.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    bench.set_defaults(run=_bench)
    return parser


def _bench(given: argparse.Namespace) -> int:
    from engine.benchmark import measure, random_bundle
    from engine.benchmark_table import table
    from engine.bundle import Bundle
    from engine.device import describe_machine

    if given.rounds < 1 or given.threads < 1:
        sys.stderr.write("gesta-engine: --rounds and --threads must be 1 or more\n")
        return 2
    with ExitStack() as stack:
        if given.backbone:
            int8 = given.precision is None or "int8" in given.precision
            bundle = stack.enter_context(random_bundle(given.backbone, _say_progress, int8=int8))
        else:
            bundle = Bundle.open(given.bundle)
        runs = {
            "fp32": True,
            "bf16": describe_machine().computes_bf16 and bundle.offers("bf16"),
            "int8": bundle.offers("int8"),
        }
        capable = [precision for precision, here in runs.items() if here]
        report = measure(
            bundle,
            precisions=tuple(dict.fromkeys(given.precision or capable)),
            rounds=given.rounds,
            threads=given.threads,
            progress=_say_progress,
        )
    _say(table(report))
    return 0


def _verify(given: argparse.Namespace) -> int:
    from engine.bundle import Bundle
    from engine.device import open_graphs

    bundle = Bundle.open(given.bundle)
    manifest = bundle.manifest
    width_px, height_px = manifest.resize
    flow_width_px, flow_height_px = manifest.flow_resize
    facts = {
        "bundle": f"{manifest.name} {manifest.version} ({bundle.path})",
        "sha256": bundle.sha256,
        "classes": f"{len(manifest.classes)}: {', '.join(manifest.classes)}",
        "model": f"{manifest.backbone}, D {manifest.feature_width}, H {manifest.hidden_width}",
        "window": f"{manifest.segments} x {manifest.frames_per_segment} samples, "
        f"{manifest.window_s:.2f} s, {manifest.prediction_hz:g} predictions a second",
        "frames": f"{manifest.grid_fps:g} fps, resized to {width_px}x{height_px} px, "
        f"cropped to {manifest.input_size} px",
        "flow": ", ".join(f"{n} (+-{e.bound_px:g} px)" for n, e in manifest.flows.items())
        + f" at {flow_width_px}x{flow_height_px} px, cropped to {manifest.flow_size} px",
        "licence": manifest.licence,
    }
    for key, value in facts.items():
        _say(f"{key:<9} {value}")
    for entry in manifest.accuracy:
        _say(
            f"accuracy  {entry.value:.1%} on {entry.data_set}, {entry.split}, {entry.protocol}, "
            f"{entry.streams}{f' ({entry.note})' if entry.note else ''}"
        )
    for precision, share in manifest.agreement.items():
        _say(f"agreement {share:.1%} of the answers in {precision} were those of fp32")
    _say("files     all as listed in SHA256SUMS")
    graphs = open_graphs(bundle, given.device, given.precision, progress=_say_engine)
    graphs.close()
    _say(f"result    good: it runs here, on {graphs.engine} ({graphs.device})")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_progress(line: str) -> None:
    sys.stderr.write(f"{line} ...\n")
    sys.stderr.flush()


def _say_engine(line: str) -> None:
    _say(f"engine    {line}")


if __name__ == "__main__":
    sys.exit(main())
