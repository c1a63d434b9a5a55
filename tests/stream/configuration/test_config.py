from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream.configuration.config import CameraConfig, Config, default_store, host_name
from stream.configuration.loader import load_config
from stream.errors import ConfigError

ENVIRONMENT = {"HALLWAY_PASSWORD": "s3cr@t/word", "EMPTY": ""}
CAMERA = '[[camera]]\nname = "hallway"\nurl = "rtsp://user:${HALLWAY_PASSWORD}@camera.example/2"\n'


def load(tmp_path: Path, text: str, **given: object) -> Config:
    file = tmp_path / "gesta.toml"
    file.write_text(text)
    return load_config(file, environment=ENVIRONMENT, **given)  # type: ignore[arg-type]


def test_capture_processes_are_a_number_that_a_machine_can_hold(tmp_path: Path) -> None:
    assert load(tmp_path, CAMERA).capture_processes is None
    assert load(tmp_path, "capture_processes = 64\n" + CAMERA).capture_processes == 64
    for number in (-1, 65, 10**12):
        said = refusal(tmp_path, f"capture_processes = {number}\n" + CAMERA)
        assert f"capture_processes: must be from 0 to 64, not {number}" in said
    assert "capture_processes" in refusal(tmp_path, "capture_processes = true\n" + CAMERA)


def test_a_gpu_decodes_where_other_processes_capture(tmp_path: Path) -> None:
    assert load(tmp_path, CAMERA).decoder == "cpu"
    assert load(tmp_path, 'decoder = "cuda"\n' + CAMERA).decoder == "cuda"
    said = refusal(tmp_path, 'decoder = "cuda"\ncapture_processes = 0\n' + CAMERA)
    assert 'capture_processes: is 0, and decoder = "cuda" decodes in capture processes' in said
    assert "decoder" in refusal(tmp_path, 'decoder = "nvdec"\n' + CAMERA)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert refused.value.exit_code == 2
    assert "s3cr" not in str(refused.value)
    return str(refused.value)


def test_the_designs_example(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'site = "home"\nbundle = "default"\ndevice = "auto"\n'
        '[publish]\nbind = "tcp://127.0.0.1:5599"\n' + CAMERA + 'transport = "tcp"\n'
        "max_gap_s = 1.0\n",
    )
    (camera,) = config.cameras
    assert camera.url == "rtsp://user:s3cr%40t%2Fword@camera.example/2"
    assert camera.masked_url == "rtsp://user:***@camera.example/2"
    assert (camera.transport, camera.max_gap_s, camera.stall_s) == ("tcp", 1.0, 5.0)
    assert config.publish.bind == "tcp://127.0.0.1:5599"


def test_nothing_given_means_the_defaults() -> None:
    config = load_config()
    assert (config.site, config.bundle, config.device, config.precision) == (
        "home",
        "default",
        "auto",
        "auto",
    )
    assert config.node == host_name()
    assert config.flow is None
    assert not config.publish.insecure
    assert config.cameras == ()
    assert config.http is None
    assert config.log_format == "text"


def test_no_secret_shows_in_any_form(tmp_path: Path) -> None:
    config = load(tmp_path, CAMERA)
    (camera,) = config.cameras
    foreign = "failed: rtsp://user:s3cr%40t%2Fword@camera.example/2, password s3cr@t/word wrong"
    for text in (repr(config), str(config), repr(camera), camera.mask(foreign)):
        assert "s3cr" not in text
        assert "word@" not in text


def test_the_http_sides_token_is_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr0123456789abcdef==\n")
    config = load(tmp_path, f'[http]\nbind = "0.0.0.0:9599"\ntoken = "${{file:{file}}}"\n' + CAMERA)
    assert config.http is not None
    assert config.http.token == "s3cr0123456789abcdef=="
    assert "s3cr" not in repr(config)
    assert {config.http.token, "s3cr@t/word"} <= set(config.secrets)


def test_a_secret_in_the_path_is_masked_as_well(tmp_path: Path) -> None:
    config = load(tmp_path, '[[camera]]\nurl = "http://host/${HALLWAY_PASSWORD}/mjpeg"\n')
    assert config.cameras[0].url == "http://host/s3cr@t/word/mjpeg"
    assert config.cameras[0].masked_url == "http://host/***/mjpeg"


def test_a_whole_url_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("rtsp://u:pw123@camera.example/1\n")
    config = load(tmp_path, f'[[camera]]\nurl = "${{file:{secret}}}"\n')
    assert config.cameras[0].url == "rtsp://u:pw123@camera.example/1"
    assert config.cameras[0].masked_url == "rtsp://u:***@camera.example/1"


def test_the_command_lines_urls_become_cameras(tmp_path: Path) -> None:
    config = load_config(None, ["clip.mp4", "rtsp://host/1"])
    assert [(c.name, c.url) for c in config.cameras] == [
        ("cam0", "clip.mp4"),
        ("cam1", "rtsp://host/1"),
    ]
    config = load(tmp_path, '[[camera]]\nname = "cam0"\nurl = "a.mp4"\n', urls_given=["b.mp4"])
    assert [c.name for c in config.cameras] == ["cam0", "cam1"]


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'device = "cuda"\nsite = "farm"\n[publish]\nbind = "tcp://127.0.0.1:1"\ninsecure = true\n',
        overrides={"device": "cpu", "site": None, "publish": {"bind": "tcp://127.0.0.1:2"}},
    )
    assert (config.device, config.site) == ("cpu", "farm")
    assert (config.publish.bind, config.publish.insecure) == ("tcp://127.0.0.1:2", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CAMERA + 'transprot = "tcp"',
            'camera[hallway].transprot: unknown key; did you mean "transport"?',
        ),
        ('sit = "x"', 'sit: unknown key; did you mean "site"?'),
        ('[publish]\nbnd = "x"', 'publish.bnd: unknown key; did you mean "bind"?'),
        (CAMERA + "zzz = 1", "camera[hallway].zzz: unknown key; known are name, url, transport,"),
        (CAMERA + 'secrets = ["x"]', "camera[hallway].secrets: unknown key"),
        ('[[camera]]\nname = "x"', "camera[x].url: this key is required; add it"),
        (
            CAMERA + 'transport = "quic"',
            "camera[hallway].transport: unknown value 'quic'; use one of 'tcp'",
        ),
        ('device = "gpu"', "device: unknown value 'gpu'; use one of 'auto', 'cpu', 'cuda'"),
        (CAMERA + 'max_gap_s = "1"', "camera[hallway].max_gap_s: expected `float`, got `str`"),
        (
            CAMERA + "max_gap_s = 0",
            "camera[hallway].max_gap_s: must be a number of seconds above 0, not 0",
        ),
        (
            CAMERA + "max_gap_s = nan",
            "camera[hallway].max_gap_s: must be a number of seconds above 0",
        ),
        (
            CAMERA + "stall_s = -1",
            "camera[hallway].stall_s: must be a number of seconds above 0, not -1",
        ),
        ("camera = 1", "camera: is no list of tables; write [[camera]]"),
        ("camera = [1]", "camera[0]: expected a table"),
        ("publish = 1", "publish: expected a table"),
        ('[[camera]]\nurl = ""', "camera[0].url: is empty"),
        ('[[camera]]\nurl = "ftp://host/x"', "camera[0].url: ftp:// can't be opened; use rtsp://"),
        ('[[camera]]\nurl = "rtsp://"', "camera[0].url: the rtsp URL has no usable host"),
        ('[[camera]]\nname = "node"\nurl = "x"', 'camera[0].name: "node" is kept for the daemon'),
        ('[[camera]]\nname = "A b"\nurl = "x"', 'camera[0].name: "A b" may hold only a-z'),
        ('site = "a/b"', 'site: "a/b" may hold only a-z'),
        ('log_format = "xml"', "log_format: unknown value 'xml'; use one of 'text', 'json'"),
        ("[http]", "http.bind: this key is required; add it"),
        ("http = 9599", "http: expected a table"),
        ('[http]\nbnd = "127.0.0.1:1"', 'http.bnd: unknown key; did you mean "bind"?'),
        ('[http]\nbind = "9599"', "http.bind: "),
        (
            '[http]\nbind = "0.0.0.0:9599"',
            "http.bind: 0.0.0.0:9599 could be reached by anyone on the network; set http.token",
        ),
        (
            '[http]\nbind = "0.0.0.0:9599"\ntoken = "${EMPTY}"',
            "http.token: must be 16 characters or more",
        ),
        ('[http]\nbind = "127.0.0.1:1"\ntoken = "s3cr s3cr s3cr s3cr"', "http.token: must be"),
        (CAMERA + CAMERA, 'camera[1].name: camera[0] is "hallway" too; rename one'),
        (
            '[[camera]]\nurl = "rtsp://u:${NOT_THERE}@h/"',
            "camera[0].url: the environment variable NOT_THERE is not set",
        ),
        (
            '[[camera]]\nurl = "rtsp://u:${file:/no/such}@h/"',
            "camera[0].url: the secret file /no/such can't be read",
        ),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_what_has_no_name_of_its_own_goes_by_its_place(tmp_path: Path) -> None:
    unnamed = '[[camera]]\nurl = "scene:"\n'
    for text, path in {
        CAMERA + unnamed + "stal_s = 1\n": "camera[1].stal_s",
        CAMERA + CAMERA + "stal_s = 1\n": "camera[1].stal_s",
        '[[camera]]\nname = "1"\nstal_s = 1\n': "camera[0].stal_s",
        '[[camera]]\nname = "${EMPTY}"\nstal_s = 1\n': "camera[0].stal_s",
        CAMERA + '[[webhook]]\nname = "vms"\nurl = ""\n': "webhook[vms].url",
    }.items():
        assert refusal(tmp_path, text).startswith(f"{path}: ")


def test_a_file_that_is_no_toml_is_refused_by_place_alone(tmp_path: Path) -> None:
    message = refusal(tmp_path, 'site = "home"\nurl = "rtsp://u:s3cret@h/"s3cret\n')
    assert re.search(r"gesta\.toml is not valid TOML \(at line 2, column \d+\)", message)


def test_a_missing_file_is_said() -> None:
    with pytest.raises(ConfigError, match="no configuration file /no/such"):
        load_config(Path("/no/such"))


def test_references_are_resolved_once_only(tmp_path: Path) -> None:
    file = tmp_path / "gesta.toml"
    file.write_text('[[camera]]\nurl = "rtsp://u:${A}@host/"\n')
    config = load_config(file, environment={"A": "${B}", "B": "never"})
    assert config.cameras[0].url == "rtsp://u:%24%7BB%7D@host/"


def test_a_reference_that_is_not_closed_is_no_password(tmp_path: Path) -> None:
    file = tmp_path / "gesta.toml"
    file.write_text('[[camera]]\nurl = "rtsp://u:${TOKEN@host/"\n')
    with pytest.raises(ConfigError, match="a reference is not closed") as caught:
        load_config(file, environment={"TOKEN": "x"})
    assert "TOKEN" not in str(caught.value)


def test_an_encoded_secret_is_not_encoded_twice(tmp_path: Path) -> None:
    file = tmp_path / "gesta.toml"
    file.write_text('[[camera]]\nurl = "rtsp://u:${A}@host/"\n')
    config = load_config(file, environment={"A": "p%40ss"})
    assert config.cameras[0].url == "rtsp://u:p%40ss@host/"


def test_it_is_frozen() -> None:
    camera = CameraConfig(name="a", url="x")
    with pytest.raises(AttributeError, match="immutable"):
        camera.name = "b"  # type: ignore[misc]


def test_a_region_that_is_none_is_named(tmp_path: Path) -> None:
    said = refusal(tmp_path, CAMERA + "region = [[0, 0], [2, 0], [1, 1]]\n")
    assert "camera[hallway].region: [2.0, 0.0] is outside of the picture" in said
    assert "camera[hallway].region" in refusal(tmp_path, CAMERA + "region = [[0, 0, 1]]\n")
    said = refusal(tmp_path, CAMERA + "region = 1\n")
    assert said == "camera[hallway].region: expected a list, got `int`"
    for corners, count in (("[]", 0), ("[[0, 0], [1, 1]]", 2)):  # nothing is no picture, either
        said = refusal(tmp_path, f"{CAMERA}region = {corners}\n")
        assert said == f"camera[hallway].region: has {count} corners; a polygon has three or more"
    said = refusal(tmp_path, CAMERA + "region = [[0, 0], [1, 1], [1, 0.2], [0, 1]]\n")
    assert said == (
        "camera[hallway].region: crosses itself, where the side [0.0, 0.0] to [1.0, 1.0] meets the "
        "side [1.0, 0.2] to [0.0, 1.0]; give its corners in their order"
    )
    config = load(tmp_path, CAMERA + "region = [[0, 0], [1, 0], [1, 1]]\n")
    assert config.cameras[0].region == ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def test_a_zoom_to_nothing_is_named(tmp_path: Path) -> None:
    for corners, problem in (
        ("[[0, 0]]", "has 1 corners; give the top left and the bottom right one"),
        ("[[0, 0], [1, 1.5]]", "goes beyond the picture, whose corners are [0, 0] and [1, 1]"),
        ("[[0.6, 0.1], [0.4, 0.5]]", "must be at least 5% of the picture each way"),
        ("[[0.5, 0.5], [0.52, 0.9]]", "must be at least 5% of the picture each way"),
    ):
        said = refusal(tmp_path, f"{CAMERA}zoom = {corners}\n")
        assert said.startswith(f"camera[hallway].zoom: {problem}"), said
    config = load(tmp_path, CAMERA + "zoom = [[0.5, 0.5], [1, 1]]\n")
    assert config.cameras[0].zoom == ((0.5, 0.5), (1.0, 1.0))


def test_a_region_outside_of_the_zoom_is_named(tmp_path: Path) -> None:
    left = "region = [[0, 0], [0.4, 0], [0.4, 1], [0, 1]]\n"
    said = refusal(tmp_path, f"{CAMERA}{left}zoom = [[0.5, 0.5], [1, 1]]\n")
    assert said.startswith("camera[hallway].region: lies outside of the camera's zoom"), said
    # These have a strip of the picture in common.
    load(tmp_path, f"{CAMERA}{left}zoom = [[0.3, 0.5], [0.8, 1]]\n")


def test_rules_come_from_the_file(tmp_path: Path) -> None:
    rule = '[[rule]]\nname = "fall"\nlabels = ["fall", "trip"]\n'
    night = '[rule.schedule]\ndays = ["fri"]\nfrom = "22:00"\nto = "06:00"\n'
    (found,) = load(tmp_path, CAMERA + rule + night).rules
    assert (found.name, found.labels, found.severity) == ("fall", ("fall", "trip"), "info")
    assert found.schedule is not None
    assert (found.schedule.days, found.schedule.begin) == (("fri",), "22:00")
    for wrong, said in {
        "entre = 0.5\n": 'rule[fall].entre: unknown key; did you mean "enter"?',
        'severity = "loud"\n': "rule[fall].severity: unknown value",
        "enter = 1.5\n": "rule[fall].enter: must be a number from 0 to 1",
        "enter = nan\n": "rule[fall].enter: must be a number from 0 to 1",
        "exit = 0.9\n": "rule[fall].exit: 0.9 is above",
        '[rule.schedule]\nday = ["fri"]\n': "rule[fall].schedule.day: unknown key; did you mean",
        '[rule.schedule]\ndays = ["fry"]\n': "rule[fall].schedule.days",
    }.items():
        assert said in refusal(tmp_path, CAMERA + rule + wrong)
    assert "'critical'" in refusal(tmp_path, CAMERA + rule + 'severity = "loud"\n')
    assert "'fri'" in refusal(tmp_path, CAMERA + rule + '[rule.schedule]\ndays = ["fry"]\n')


def test_receivers_come_from_the_file(tmp_path: Path) -> None:
    hook = '[[webhook]]\nname = "vms"\nurl = "https://vms.example/${HALLWAY_PASSWORD}"\n'
    rule = '[[rule]]\nname = "fall"\nlabels = ["fall"]\n'
    config = load(tmp_path, CAMERA + hook + '[mqtt]\nhost = "broker"\n')  # a rule may come yet
    assert [webhook.name for webhook in config.webhooks] == ["vms"]
    assert config.mqtt is not None
    for port in (0, 99999):
        said = refusal(tmp_path, f'{CAMERA}{rule}[mqtt]\nhost = "broker"\nport = {port}\n')
        assert said == "mqtt.port: must be a whole number from 1 to 65535"
    assert 'webhook[1].name: another webhook is "vms" too' in refusal(
        tmp_path, CAMERA + rule + hook + hook
    )
    assert "s3cr" not in repr(load(tmp_path, CAMERA + rule + hook))


def test_the_event_store_has_its_place(tmp_path: Path) -> None:
    assert default_store({"STATE_DIRECTORY": "/var/lib/gesta"}) == Path(
        "/var/lib/gesta/events.sqlite"
    )
    assert default_store({"XDG_STATE_HOME": "/x"}) == Path("/x/gesta/events.sqlite")
    assert default_store({}) == Path.home() / ".local/state/gesta/events.sqlite"
    assert "events.keep_days" in refusal(tmp_path, "[events]\nkeep_days = -1\n")
    assert "events.store: is empty" in refusal(tmp_path, '[events]\nstore = ""\n')


RULE = '[[rule]]\nname = "fall"\nlabels = ["fall"]\n'


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('folder = ""', "evidence.folder: is empty"),
        ("clip = false\nsnapshot = false", "evidence.clip: neither clip nor snapshot"),
        (
            "attention = true\nsnapshot = false",
            "evidence.attention: is drawn over the picture, and snapshot is false; leave one of",
        ),
        ("attention = 1", "evidence.attention: expected `bool`"),
        ("atention = true", 'evidence.atention: unknown key; did you mean "attention"?'),
        ("pre_roll_s = -1", "evidence.pre_roll_s: must be a number from 0"),
        ("longest_s = 9", "evidence.longest_s: must be longer than both rolls"),
        ("keep_bytes = 0", "evidence.keep_bytes: must be above 0"),
        (
            "blur = true",
            'camera[hallway].region: evidence.blur is on, and "hallway" has no region outside of '
            "which to blur; give it one",
        ),
    ],
)
def test_evidence_that_cant_be_meant_is_named(tmp_path: Path, keys: str, said: str) -> None:
    folder = "" if "folder" in keys else 'folder = "/tmp/evidence"\n'
    assert said in refusal(tmp_path, f"{CAMERA}{RULE}[evidence]\n{folder}{keys}\n")


def test_only_a_camera_that_evidence_is_kept_of_needs_a_region_to_blur(tmp_path: Path) -> None:
    blur = '[evidence]\nfolder = "/tmp/evidence"\nblur = true\n'
    region = "region = [[0, 0], [1, 0], [1, 1]]\n"
    other = '[[camera]]\nname = "yard"\nurl = "rtsp://camera.example/2"\n'
    hallway = RULE + 'cameras = ["hallway"]\n'
    evidence = load(tmp_path, CAMERA + region + other + hallway + blur).evidence
    assert evidence is not None
    assert (evidence.blur, evidence.attention) == (True, False)
    assert load(tmp_path, CAMERA + RULE + "evidence = false\n" + blur).evidence == evidence
    assert "camera[yard].region" in refusal(tmp_path, CAMERA + region + other + RULE + blur)


def test_a_rehearsal_needs_nothing_of_cameras_receivers_and_evidence(tmp_path: Path) -> None:
    elsewhere = (
        '[http]\nbind = "0.0.0.0:1"\ntoken = "${NOSUCH}"\n'
        '[mqtt]\nhost = "broker"\npassword = "${file:/no/such}"\n'
        '[[webhook]]\nname = "vms"\nurl = "https://vms.example/${NOSUCH}"\n'
        '[evidence]\nfolder = "/tmp/evidence"\nblur = true\n'
        '[[camera]]\nname = "yard"\nurl = "rtsp://user:${NOSUCH}@camera.example/2"\n'
    )
    rule = RULE + 'cameras = ["yard"]\n'
    file = 'device = "cpu"\n' + elsewhere + rule
    config = load(tmp_path, file, urls_given=["yesterday.mp4"], rehearsal=True)
    assert [camera.url for camera in config.cameras] == ["yesterday.mp4"]
    assert ([each.name for each in config.rules], config.device) == (["fall"], "cpu")
    assert "the environment variable NOSUCH is not set" in refusal(tmp_path, file)
    for mistake in ("entre = 0.5", "exit = 0.9"):  # in the rules themselves
        with pytest.raises(ConfigError, match=r"rule\[fall\]"):
            load(tmp_path, file + mistake, urls_given=["yesterday.mp4"], rehearsal=True)


def test_a_rehearsal_sees_what_a_named_camera_would(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = (
        '[[camera]]\nurl = "rtsp://camera.example/1"\n'
        '[[camera]]\nname = "yard"\nurl = "rtsp://user:${NOSUCH}@camera.example/2"\n'
        "region = [[0, 0], [0.5, 0], [0.5, 1]]\nzoom = [[0, 0], [0.5, 0.5]]\n"
        + RULE.replace("fall", "nap", 1) + 'cameras = ["cam0"]\n'
        + RULE + 'cameras = ["yard"]\n'
        + RULE.replace("fall", "anywhere", 1)
    )  # fmt: skip

    def rehearsed(camera: str | None) -> tuple[CameraConfig, list[str]]:
        config = load(tmp_path, file, urls_given=["x.mp4"], rehearsal=True, camera=camera)
        (seen,) = config.cameras
        return seen, [rule.name for rule in config.rules if rule.enabled]

    seen, rules = rehearsed("yard")
    assert seen.url == "x.mp4"
    assert seen.region == ((0, 0), (0.5, 0), (0.5, 1))
    assert seen.zoom == ((0, 0), (0.5, 0.5))
    assert rules == ["fall", "anywhere"]
    seen, rules = rehearsed("cam0")
    assert (seen.region, seen.zoom, rules) == (None, None, ["nap", "anywhere"])
    assert not caplog.records
    seen, rules = rehearsed(None)
    assert (seen.region, rules) == (None, ["nap", "fall", "anywhere"])
    assert "the whole picture is looked at, and of yard only a part would be" in caplog.text
    file = file.replace("[0.5, 0.5]]\n", "[0, 0]]\n")
    with pytest.raises(ConfigError, match=r"^camera\[yard\]\.zoom: must be at least 5%"):
        rehearsed("yard")
    with pytest.raises(ConfigError, match='no camera "yrad"; known are cam0, yard'):
        rehearsed("yrad")
