"""`gesta` as a user types it: help, exit codes, one sentence for every mistake."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.bundle import write_sums
from stream import cli
from tests.stream.synthetic import small_manifest

COMMANDS = ("run", "watch", "replay", "check", "verify", "scene")


@pytest.fixture(autouse=True)
def _process_as_it_was():
    """What a command changes in its process, and the tests' own process should keep."""
    root, handler = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def bundle_folder(tmp_path):
    """A bundle whose sums are right; its graphs are none, but nothing here gets so far."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_bytes(small_manifest().encode())
    for name in ("rgb.onnx", "flow.onnx", "rgb_head.onnx", "flow_head.onnx", "golden.npz"):
        (folder / name).write_bytes(name.encode())
    write_sums(folder)
    return folder


def gesta(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "stream.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_help_says_what_it_is_and_how_to_begin():
    done = gesta("--help")
    assert done.returncode == 0
    assert "which action is going on" in done.stdout
    assert "gesta run scene: --watch" in done.stdout
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"gesta {command} " in capsys.readouterr().out.split("examples:")[1]


def test_help_loads_none_of_the_heavy_parts():
    heavy = "cv2", "av", "openvino", "zmq", "torch", "numpy", "rich"
    script = (
        "import sys; from stream.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]\n"


def test_the_daemon_never_loads_torch():
    script = (
        "import sys; import stream.run, stream.replay, stream.check, stream.watch\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"


def test_the_version():
    done = gesta("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("gesta ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 2, "there is no camera to watch; give a URL"),
        (["run", "--config", "no.toml"], 2, "no.toml"),
        (["run", "scene:", "--site", "My Home"], 2, "site"),
        (["run", "scene:?sede=7", "--bundle", "{bundle}"], 2, "scene"),
        (["run", "scene:", "--bundle", "no-such-bundle"], 4, "there is no bundle 'no-such-bundle'"),
        (["run", "scene:", "--bundle", "{empty}"], 4, "is empty"),
        (["run", "scene:", "--bundle", "{bundle}", "--publish", "tcp://0.0.0.0:5599"], 5,
         "--insecure"),
        (["run", "scene:", "--bundle", "{bundle}", "--publish", "5599"], 5, "is no endpoint"),
        (["run", "scene:", "--log-format", "text", "--config", "{exposed}"], 2, "set http.token"),
        (["replay", "rtsp://u:hunter2@cam.example/x", "--bundle", "{bundle}"], 2, "is no file"),
        (["replay", "no.mp4", "--bundle", "no-such-bundle"], 4, "there is no bundle"),
        (["replay", "no.mp4", "--truth", "no.json"], 2, "say --rules FILE as well"),
        (["replay", "no.mp4", "--camera", "hall"], 2, "say --rules FILE as well"),
        (["replay", "no.mp4", "--rules", "{emptied}", "--camera", "hall"], 2,
         'no camera "hall"; it has no [[camera]]'),
        (["replay", "no.mp4", "--rules", "no.toml"], 2, "no.toml; check its path"),
        (["replay", "no.mp4", "--rules", "{blurring}", "--bundle", "no-such-bundle"], 4,
         "there is no bundle"),
        (["run", "--config", "{blurring}"], 2, "NOSUCH is not set"),
        (["run", "--config", "{emptied}"], 2, "no camera to watch; add a [[camera]] to /"),
        (["scene", "--out", "/proc/no/such/folder"], 5, "can't be written"),
        (["scene", "--out", "{empty}", "--label", "fly"], 2, "fly"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence_and_its_exit_code(
    arguments, code, words, tmp_path, bundle_folder, capsys
):
    exposed = tmp_path / "exposed.toml"
    exposed.write_text('[http]\nbind = "0.0.0.0:9599"\n')
    emptied = tmp_path / "emptied.toml"
    emptied.write_text("")
    blurring = tmp_path / "blurring.toml"
    blurring.write_text(
        '[evidence]\nfolder = "x"\nblur = true\n[[rule]]\nname = "a"\nlabels = ["walk"]\n'
        '[[camera]]\nurl = "rtsp://u:${NOSUCH}@cam.example/x"\n'
    )
    names = {
        "{bundle}": str(bundle_folder),
        "{emptied}": str(emptied),
        "{blurring}": str(blurring),
        "{empty}": str(tmp_path / "empty"),
        "{exposed}": str(exposed),
    }
    (tmp_path / "empty").mkdir()
    found = cli.main([*(names.get(argument, argument) for argument in arguments), "-q"])
    said = capsys.readouterr()
    assert found == code, said.err
    assert words in said.err
    assert said.err.startswith("gesta: ")
    assert said.err.count("\n") == 1
    assert "hunter2" not in said.err
    assert said.out == ""


def test_the_exit_code_is_the_processs_own(tmp_path):
    done = gesta("replay", "no.mp4", "--bundle", str(tmp_path))
    assert done.returncode == 4
    assert done.stderr.startswith("gesta: ")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run", "scene:", "--device", "abacus"], ["scene"], ["replay"]]
)
def test_what_argparse_refuses_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: gesta" in capsys.readouterr().err


def test_a_bug_gets_a_sentence_too_and_its_traceback_only_when_asked_for(monkeypatch, capsys):
    def fails(arguments):
        raise ZeroDivisionError("rtsp://u:hunter2@cam.example/x by zero")

    monkeypatch.setattr(cli, "_watch", fails)
    assert cli.main(["watch"]) == 70
    quiet = capsys.readouterr().err
    assert quiet.startswith("gesta: ZeroDivisionError: rtsp://u:***@cam.example/x by zero")
    assert "this is a bug" in quiet
    assert "Traceback" not in quiet
    assert cli.main(["watch", "-v"]) == 70
    chatty = capsys.readouterr().err
    assert "Traceback" in chatty
    assert "hunter2" not in chatty


def test_ctrl_c_and_a_closed_pipe_are_no_bugs(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_watch", interrupted)
    assert cli.main(["watch"]) == 130


def test_it_works_with_its_standard_streams_closed(tmp_path, bundle_folder):
    script = 'exec "$0" -m stream.cli scene --out "$1" --clips 1 --label wave <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, sys.executable, str(tmp_path / "out")], timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "out" / "labels.csv").is_file()
    (clip,) = (tmp_path / "out" / "wave").iterdir()
    assert b"ftyp" in clip.read_bytes()[:12]  # nothing printed has got into it


def test_scene_writes_a_stream_with_its_truth(tmp_path):
    done = gesta("scene", "--out", str(tmp_path), "--stream", "1", "--seed", "3", "--size", "64x64")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scene_0000003.mp4").stat().st_size > 0
    assert '"label"' in (tmp_path / "scene_0000003.json").read_text()


@pytest.mark.parametrize(
    "typed",
    [
        ["rtsp://user:s3cret@camera/1"],
        ["check", "a.mp4", "rtsp://user:s3cret@camera/1"],
        ["run", "--transport", "rtsp://user:s3cret@camera/1"],
    ],
)
def test_a_command_line_that_is_not_understood_shows_no_password(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(typed)
    assert left.value.code == 2
    assert "s3cret" not in capsys.readouterr().err


def test_a_full_disk_below_the_output_is_a_sentence(tmp_path: Path) -> None:
    command = f"{sys.executable} -m stream.cli scene --out {tmp_path} --clips 1 --label wave"
    done = subprocess.run(
        ["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("from_file", [False, True])
def test_a_json_log_is_json_to_its_last_word(from_file, tmp_path, bundle_folder, capsys):
    file = tmp_path / "gesta.toml"
    file.write_text('log_format = "json"\n' if from_file else "")
    given = [] if from_file else ["--log-format", "json"]
    code = cli.main(["run", "scene:", "--config", str(file), "--bundle", "no-such-bundle", *given])
    assert code == 4
    (entry,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (entry["level"], entry["logger"]) == ("CRITICAL", "gesta")
    assert "there is no bundle 'no-such-bundle'" in entry["message"]


def test_who_tries_the_daemons_rules_on_a_video_reads_lines(tmp_path, bundle_folder, capsys):
    file = tmp_path / "gesta.toml"
    file.write_text('log_format = "json"\n')
    assert cli.main(["replay", "no.mp4", "--rules", str(file), "--bundle", "no-such-bundle"]) == 4
    assert capsys.readouterr().err.startswith("gesta: ")


def test_an_interrupt_inside_what_a_library_executes_ends_as_any_other(tmp_path):
    # CPython ends a `python -m` by the signal when a KeyboardInterrupt ever left an `exec`.
    (tmp_path / "interrupted_watch.py").write_text(
        "import sys\n"
        "import stream.watch\n"
        "from stream.cli import main\n"
        "def watch(*_, **__):\n"
        "    exec('import os, signal; os.kill(os.getpid(), signal.SIGINT)')\n"
        "stream.watch.watch = watch\n"
        "sys.argv[1:] = ['watch', 'tcp://127.0.0.1:9']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted_watch"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
