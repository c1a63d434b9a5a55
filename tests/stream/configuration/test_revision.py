"""From one configuration to another."""

import msgspec
import pytest

from stream.configuration.config import CameraConfig, Config, HttpConfig, PublishConfig
from stream.configuration.revision import Revision
from stream.errors import ConfigError
from stream.events.receivers import WebhookConfig
from stream.events.rule import RuleConfig

HALL, YARD, ATTIC = (
    CameraConfig(name=name, url=f"rtsp://{name}.example/") for name in ("hall", "yard", "attic")
)


def test_cameras_that_came_went_and_changed():
    other_yard = msgspec.structs.replace(YARD, stall_s=9.0)
    new = Config(cameras=(other_yard, ATTIC))
    revision = Revision.between(Config(cameras=(HALL, YARD)), new)
    assert revision.removed == ("hall", "yard")
    assert revision.added == (other_yard, ATTIC)
    assert revision.config is new


def test_another_order_and_other_rules_touch_no_camera():
    rules = (RuleConfig(name="r", labels=("wave",)),)
    revision = Revision.between(
        Config(cameras=(HALL, YARD)), Config(cameras=(YARD, HALL), rules=rules)
    )
    assert (revision.removed, revision.added) == ((), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bundle": "other"}, "bundle: can't"),
        ({"publish": PublishConfig(bind="tcp://127.0.0.1:1")}, "publish.bind: can't"),
        ({"http": HttpConfig(bind="127.0.0.1:9", token="t" * 20)}, "http: can't"),
        ({"webhooks": (WebhookConfig(name="w", url="http://a.example"),)}, "webhook: can't"),
    ],
)
def test_what_takes_a_restart_is_named_without_its_value(change, words):
    old = Config(cameras=(HALL,))
    with pytest.raises(ConfigError) as caught:
        Revision.between(old, msgspec.structs.replace(old, **change))
    assert str(caught.value).startswith(words)
    assert "restart it" in str(caught.value)
    assert "tttt" not in str(caught.value)
