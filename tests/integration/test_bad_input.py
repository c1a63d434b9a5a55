"""Bad input gets a sentence and its exit code, never a traceback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bundle import SUMS
from tests.integration.conftest import write_clip
from tests.integration.processes import Daemon, command, free_endpoint, gesta
from tests.rtsp_server import RtspServer

USAGE, SOURCE, ENGINE, PLACE = 2, 3, 4, 5
BUNDLE_FILES = (
    "bundle.json", "rgb.onnx", "flow.onnx", "rgb_head.onnx", "flow_head.onnx", "golden.npz", SUMS,
)  # fmt: skip
SECRET = "s3cr3t-Pa55word"

Done = subprocess.CompletedProcess[str]


def assert_sentence(done: Done, code: int, *words: str) -> None:
    """One sentence for people, at the end of stderr, with these words in it."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("gesta: ")
    assert sum(line.startswith("gesta: ") for line in done.stderr.splitlines()) == 1
    assert 20 < len(last) < 500
    for word in words:
        assert word in last


def check(url: str, bundle: Path, *more: object) -> Done:
    return gesta("check", url, "--bundle", bundle, "--precision", "fp32", *more)


def without_capabilities(*arguments: object) -> list[str]:
    """The command line, for a user whom file modes bind: root passes over them."""
    if os.geteuid() != 0:
        return command(*arguments)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root passes over file modes, and setpriv is not here to take that away")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all", *command(*arguments)]


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "code", "word"),
        [
            ("rtsp://", USAGE, "host"),
            ("ftp://127.0.0.1/clip.mp4", USAGE, "ftp://"),
            ("rtsp://127.0.0.1:99999/stream", USAGE, "99999"),
            ("scene:?speed=3", USAGE, "speed"),
            ("", USAGE, "empty"),
            ("no/such/clip.mp4", SOURCE, "no/such/clip.mp4"),
            ("webcam:99", SOURCE, "/dev/video99"),
            ("/dev/video99", SOURCE, "/dev/video99"),
        ],
    )
    def test_wrong(self, light_bundle: Path, url: str, code: int, word: str) -> None:
        assert_sentence(check(url, light_bundle), code, word)

    def test_nobody_listens(self, light_bundle: Path) -> None:
        with RtspServer() as server:
            url = server.url
        assert_sentence(check(url, light_bundle), SOURCE, "refuses")

    def test_nothing_at_the_path(self, light_bundle: Path) -> None:
        with RtspServer() as server:
            url = server.url.replace("/stream", "/elsewhere")
            assert_sentence(check(url, light_bundle), SOURCE, "nothing at")

    def test_wrong_password_is_masked(self, light_bundle: Path) -> None:
        with RtspServer(user="viewer", password="right") as server:
            url = server.url_with(f"viewer:{SECRET}")
            done = check(url, light_bundle, "-v")
        assert_sentence(done, SOURCE, "password", "viewer:***@")
        assert SECRET not in done.stdout + done.stderr

    def test_unusable_url_is_masked(self) -> None:
        done = gesta("run", f"rtsp://viewer:{SECRET}@")
        assert_sentence(done, USAGE, "camera[0].url")
        assert SECRET not in done.stdout + done.stderr

    @pytest.mark.parametrize("path", ["stream", "live?mail=a@b.example"])
    def test_more_than_one_way_to_read_it(self, path: str) -> None:
        """The host may be "Pa55", a piece of the password: nobody is asked for it."""
        done = gesta("run", f"rtsp://viewer:s3cr3t@Pa55/word@camera/{path}")
        assert_sentence(done, USAGE, "camera[0].url", "more than one way", "%40", "environment")
        for piece in ("s3cr3t", "Pa55", "word@", "camera/"):
            assert piece not in done.stdout + done.stderr

    def test_unknown_codec(self, light_bundle: Path) -> None:
        with RtspServer(codec="XYZ9/90000") as server:
            assert_sentence(check(server.url, light_bundle), SOURCE, "can't be decoded")

    def test_unknown_codec_for_the_daemon(self, light_bundle: Path) -> None:
        """It goes on trying: a camera may be set right."""
        with (
            RtspServer(codec="XYZ9/90000") as server,
            Daemon(server.url, "--bundle", light_bundle) as daemon,
        ):
            assert daemon.status("offline", "CODEC", timeout_s=60)["next_retry_s"] is not None
            assert daemon.stop() == 0

    def test_sound_without_video(self, light_bundle: Path) -> None:
        with RtspServer(media="audio", codec="PCMU/8000") as server:
            assert_sentence(check(server.url, light_bundle), SOURCE)

    def test_speaks_no_rtsp(self, light_bundle: Path) -> None:
        """The default port of a database, say."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/stream"
            with subprocess.Popen(
                command("check", url, "--bundle", light_bundle, "--precision", "fp32"),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            ) as checking:  # fmt: skip
                for _ in range(2):  # FFmpeg's connection, and the one that asks why
                    try:
                        client, _address = listener.accept()
                    except TimeoutError:
                        break
                    with client:
                        client.sendall(b"220 database ready\r\n")
                    listener.settimeout(3)
                out, err = checking.communicate(timeout=60)
        assert_sentence(subprocess.CompletedProcess([], checking.returncode, out, err), SOURCE)


class TestFiles:
    def replay(self, file: Path, bundle: Path) -> Done:
        return gesta("replay", file, "--json", "--bundle", bundle, "--precision", "fp32")

    @pytest.mark.parametrize("name", ["poem.mp4", "poem.txt", "poem"])
    def test_text(self, light_bundle: Path, tmp_path: Path, name: str) -> None:
        file = tmp_path / name
        file.write_text("Whan that Aprille with his shoures soote\n" * 200)
        done = self.replay(file, light_bundle)
        assert_sentence(done, SOURCE, name)
        assert not done.stdout

    def test_empty(self, light_bundle: Path, tmp_path: Path) -> None:
        file = tmp_path / "empty.mp4"
        file.touch()
        assert_sentence(self.replay(file, light_bundle), SOURCE, "empty.mp4 is empty")

    def test_folder(self, light_bundle: Path, tmp_path: Path) -> None:
        assert_sentence(self.replay(tmp_path, light_bundle), SOURCE, "folder")

    def test_missing(self, light_bundle: Path, tmp_path: Path) -> None:
        assert_sentence(self.replay(tmp_path / "gone.mp4", light_bundle), SOURCE, "gone.mp4")

    def test_unknown_codec(self, light_bundle: Path, tmp_path: Path, clip: Path) -> None:
        file = tmp_path / "strange.mp4"
        data = clip.read_bytes()
        assert data.count(b"avc1") >= 1
        file.write_bytes(data.replace(b"avc1", b"xyz9").replace(b"avcC", b"xyzC"))
        assert_sentence(self.replay(file, light_bundle), SOURCE, "strange.mp4")

    def test_cut_before_its_index(self, light_bundle: Path, tmp_path: Path, clip: Path) -> None:
        """MP4 ends with the index that everything depends on."""
        file = tmp_path / "cut.mp4"
        data = clip.read_bytes()
        file.write_bytes(data[: len(data) // 2])
        assert_sentence(self.replay(file, light_bundle), SOURCE, "cut.mp4")

    def test_cut_in_the_middle(self, light_bundle: Path, tmp_path: Path) -> None:
        """What is there is played; then the sentence says that more was promised."""
        whole = write_clip(tmp_path / "whole.mkv", frames=75)
        file = tmp_path / "cut.mkv"
        file.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
        done = self.replay(file, light_bundle)
        assert_sentence(done, SOURCE, "cut.mkv", "ends early")
        assert 2 <= len(done.stdout.splitlines()) < 15

    def test_cut_in_the_middle_for_the_daemon(self, light_bundle: Path, tmp_path: Path) -> None:
        whole = write_clip(tmp_path / "whole.mkv", frames=75)
        file = tmp_path / "cut.mkv"
        file.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
        with Daemon(file, "--bundle", light_bundle) as daemon:
            assert daemon.wait(60) == SOURCE
            assert "Traceback" not in daemon.stderr
            assert daemon.stderr.splitlines()[-1].startswith("gesta: cam0: ")
            assert daemon.messages.of("prediction")
            assert daemon.messages.of("status")[-1]["reason"] == "CODEC"

    def test_sound_only(self, light_bundle: Path, tmp_path: Path) -> None:
        import wave

        file = tmp_path / "tone.wav"
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16000))
        assert_sentence(self.replay(file, light_bundle), SOURCE, "no video")

    def test_camera_is_no_file(self, light_bundle: Path) -> None:
        done = gesta("replay", "rtsp://127.0.0.1/stream", "--bundle", light_bundle)
        assert_sentence(done, USAGE, "replay plays files")

    def test_no_permission(self, light_bundle: Path, tmp_path: Path, clip: Path) -> None:
        file = tmp_path / "secret.mp4"
        shutil.copy(clip, file)
        file.chmod(0)
        arguments = without_capabilities(
            "replay", file, "--bundle", light_bundle, "--precision", "fp32"
        )
        assert_sentence(gesta(command=arguments), SOURCE, "no permission", "secret.mp4")

    def test_no_permission_for_the_device(self, light_bundle: Path, device: Path) -> None:
        arguments = without_capabilities(
            "check", device, "--bundle", light_bundle, "--precision", "fp32"
        )
        assert_sentence(gesta(command=arguments), SOURCE, "no permission", str(device))

    @pytest.fixture
    def device(self) -> Iterator[Path]:
        """Something where a webcam would be, that nobody may read."""
        path = Path("/dev/video97")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0))
        except OSError as error:
            pytest.skip(f"can't put a device at {path}: {error.strerror}")
        yield path
        path.unlink()


class TestBundles:
    def check(self, bundle: object) -> Done:
        return gesta("check", "--bundle", bundle, "--precision", "fp32")

    def test_unknown_name(self) -> None:
        assert_sentence(self.check("nonsuch"), ENGINE, "no bundle 'nonsuch'")

    def test_empty(self, tmp_path: Path) -> None:
        assert_sentence(self.check(tmp_path), ENGINE, str(tmp_path), "is empty")

    def test_a_text_file(self, tmp_path: Path) -> None:
        file = tmp_path / "bundle.zip"
        file.write_text("no zip")
        assert_sentence(self.check(file), ENGINE, "bundle.zip")

    @pytest.mark.parametrize("name", BUNDLE_FILES)
    def test_one_flipped_byte(self, light_bundle: Path, tmp_path: Path, name: str) -> None:
        bundle = tmp_path / "bundle"
        shutil.copytree(light_bundle, bundle)
        flip_a_byte(bundle / name)
        assert_sentence(self.check(bundle), ENGINE)

    @pytest.mark.parametrize("command_name", ["run", "replay"])
    def test_for_every_command(
        self, light_bundle: Path, tmp_path: Path, clip: Path, command_name: str
    ) -> None:
        bundle = tmp_path / "bundle"
        shutil.copytree(light_bundle, bundle)
        flip_a_byte(bundle / "rgb.onnx")
        more = ["--publish", free_endpoint()] if command_name == "run" else []
        done = gesta(command_name, clip, "--bundle", bundle, *more)
        assert_sentence(done, ENGINE, "rgb.onnx")

    def test_missing_and_extra_files(self, light_bundle: Path, tmp_path: Path) -> None:
        bundle = tmp_path / "bundle"
        shutil.copytree(light_bundle, bundle)
        (bundle / "notes.txt").write_text("mine")
        assert_sentence(self.check(bundle), ENGINE, "notes.txt")
        (bundle / "notes.txt").unlink()
        (bundle / "flow_head.onnx").unlink()
        assert_sentence(self.check(bundle), ENGINE, "flow_head.onnx")

    def test_cut_zip(self, light_bundle: Path, tmp_path: Path) -> None:
        whole = tmp_path / "bundle.zip"
        with zipfile.ZipFile(whole, "w") as archive:
            for file in light_bundle.iterdir():
                archive.write(file, file.name)
        assert gesta("check", "--bundle", whole, "--precision", "fp32").returncode == 0
        whole.write_bytes(whole.read_bytes()[:-500])
        assert_sentence(self.check(whole), ENGINE, "bundle.zip")


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


class TestConfiguration:
    def run(self, folder: Path, text: str) -> Done:
        config = folder / "gesta.toml"
        config.write_text(text)
        return gesta("run", "--config", config, "--publish", free_endpoint())

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('sight = "home"', ("sight", "unknown key", '"site"')),
            (
                '[[camera]]\nurl = "scene:"\ntransprot = "udp"',
                ("camera[0].transprot", '"transport"'),
            ),
            ('[publish]\nbinding = "tcp://127.0.0.1:1"', ("publish.binding",)),
            ('[[camera]]\nname = "node"\nurl = "scene:"', ("camera[0].name", "node")),
            ('[[camera]]\nname = "Big Hall"\nurl = "scene:"', ("camera[0].name", "Big Hall")),
            ('[[camera]]\nname = "a"', ("camera[a].url",)),
            ('[[camera]]\nurl = "scene:"\ntransport = "pigeon"', ("camera[0].transport", "'udp'")),
            ('[[camera]]\nurl = "scene:"\nmax_gap_s = -1', ("camera[0].max_gap_s",)),
            ('[[camera]]\nurl = "scene:"\nstall_s = "long"', ("camera[0].stall_s",)),
            (
                '[[camera]]\nname = "a"\nurl = "scene:"\n[[camera]]\nname = "a"\nurl = "scene:"',
                ("camera[1].name",),
            ),
            ('camera = "scene:"', ("camera",)),
            ("", ("no camera",)),
            ("site = home", ("not valid TOML", "line 1")),
            (
                '[[camera]]\nurl = "rtsp://a:${NO_SUCH_VARIABLE}@h/s"',
                ("camera[0].url", "NO_SUCH_VARIABLE"),
            ),
            ('[[camera]]\nurl = "rtsp://a:${file:/no/such}@h/s"', ("camera[0].url", "/no/such")),
        ],
    )
    def test_named_with_its_path(self, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
        assert_sentence(self.run(tmp_path, text), USAGE, *words)

    def test_no_such_file(self, tmp_path: Path) -> None:
        done = gesta("run", "--config", tmp_path / "gone.toml")
        assert_sentence(done, USAGE, "gone.toml")

    def test_not_text(self, tmp_path: Path) -> None:
        config = tmp_path / "gesta.toml"
        config.write_bytes(b"\xff\xfe\x00site")
        assert_sentence(gesta("run", "--config", config), USAGE, "UTF-8")

    def test_secret_on_a_broken_line_is_kept(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, f'[[camera]]\nurl = "rtsp://viewer:{SECRET}@host/stream\n')
        assert_sentence(done, USAGE, "not valid TOML")
        assert SECRET not in done.stderr

    def test_unknown_option(self) -> None:
        done = gesta("run", "scene:", "--colour", "red")
        assert done.returncode == USAGE
        assert "--colour" in done.stderr
        assert "Traceback" not in done.stderr


class TestPlaces:
    def test_port_in_use(self, light_bundle: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            done = gesta("run", "scene:", "--bundle", light_bundle, "--publish", endpoint)
        assert_sentence(done, PLACE, endpoint, "in use")

    @pytest.mark.parametrize("host", ["0.0.0.0", "*", "[::]"])
    def test_open_to_others(self, light_bundle: Path, host: str) -> None:
        done = gesta("run", "scene:", "--bundle", light_bundle, "--publish", f"tcp://{host}:5599")
        assert_sentence(done, PLACE, "--insecure")

    @pytest.mark.parametrize("endpoint", ["127.0.0.1:5599", "tcp://127.0.0.1", "udp://127.0.0.1:1"])
    def test_no_endpoint(self, light_bundle: Path, endpoint: str) -> None:
        done = gesta("run", "scene:", "--bundle", light_bundle, "--publish", endpoint)
        assert_sentence(done, PLACE, endpoint)

    def test_no_endpoint_to_watch(self) -> None:
        assert_sentence(gesta("watch", "5599"), USAGE, "5599")

    def test_scene_under_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        done = gesta("scene", "--out", tmp_path / "file" / "clips", "--clips", 1)
        assert_sentence(done, PLACE, "clips")

    def test_scene_where_nobody_may_write(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        arguments = without_capabilities("scene", "--out", tmp_path / "clips", "--clips", 1)
        assert_sentence(gesta(command=arguments), PLACE, "clips")
        tmp_path.chmod(0o700)

    def test_unknown_label(self, tmp_path: Path) -> None:
        done = gesta("scene", "--out", tmp_path, "--label", "yodel")
        assert_sentence(done, USAGE, "yodel")
