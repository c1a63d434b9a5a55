import subprocess
import sys

import pytest

from engine.cli import main


def test_verify_says_what_the_bundle_is_and_that_it_runs(tiny_bundle, capsys):
    assert main(["verify", str(tiny_bundle.path), "--precision", "fp32"]) == 0
    out = capsys.readouterr().out
    assert f"sha256    {tiny_bundle.sha256}" in out
    assert "window    3 x 10 samples, 1.20 s, 25 predictions a second" in out
    assert "(tolerance" in out
    assert "result    good" in out


def test_a_damaged_bundle_is_one_sentence_and_exit_code_4(bundle_folder, capsys):
    (bundle_folder / "rgb.onnx").write_bytes(b"flipped")
    assert main(["verify", str(bundle_folder)]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gesta-engine: ")
    assert captured.err.count("\n") == 1
    assert "rgb.onnx is damaged" in captured.err


def test_graphs_that_are_no_graphs_are_a_sentence(bundle_folder, capsys):
    assert main(["verify", str(bundle_folder)]) == 4
    assert "OpenVINO can't open the graph rgb" in capsys.readouterr().err


def test_cuda_is_a_sentence(bundle_folder, capsys):
    assert main(["verify", str(bundle_folder), "--device", "cuda"]) == 4
    assert "use --device cpu" in capsys.readouterr().err


def test_without_a_command_it_explains_itself():
    with pytest.raises(SystemExit) as usage:
        main([])
    assert usage.value.code == 2


def test_the_engine_runs_without_torch_video_or_messages():
    code = (
        "import sys, engine.cli, engine.recogniser\n"
        "loaded = {'torch', 'torchvision', 'onnx', 'av', 'zmq'} & set(sys.modules)\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("output", "code"), [("| head -n 1; exit ${PIPESTATUS[0]}", 0), (">&-", 0), ("> /dev/full", 5)]
)
def test_whatever_stdout_is_there_is_no_traceback(tiny_bundle, output, code):
    command = f"{sys.executable} -m engine.cli verify {tiny_bundle.path} --precision fp32 {output}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
