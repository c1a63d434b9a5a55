import pytest

from stream.errors import ConfigError
from stream.events.rule import RuleConfig, check_labels, check_rules
from tests.stream.events.drawn import rule


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([rule(name="Fall!")], 'rule[0].name: "Fall!" may hold only'),
        ([rule(), rule()], 'rule[1].name: rule[0] is "moving" too'),
        ([rule(labels=())], "rule[0].labels: name one label or more"),
        ([rule(labels=("walk", "walk"))], "rule[0].labels: name one label or more"),
        ([rule(enter=0.3)], "rule[0].exit: 0.4 is above `enter`, 0.3"),
        ([rule(enter=0.0, exit=0.0)], "rule[0].enter: 0 is always reached"),
        ([rule(exit=0.0)], "rule[0].exit: nothing is below 0, so no event would end; raise it"),
        ([rule(min_duration_s=-1.0)], "rule[0].min_duration_s: must be a number of seconds from 0"),
        ([rule(merge_gap_s=float("nan"))], "rule[0].merge_gap_s"),
        ([rule(cooldown_s=float("inf"))], "rule[0].cooldown_s"),
        ([rule(cameras=("hal",))], 'rule[0].cameras: "hal" is no camera; did you mean "hall"?'),
    ],
)
def test_what_is_wrong_is_named_with_its_path(rules: list[RuleConfig], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_rules(rules, ["hall", "yard"])
    assert said in str(refused.value)


def test_rules_that_hold_are_accepted() -> None:
    check_rules([rule(), rule(name="other", cameras=("hall",), exit=0.6)], ["hall"])


def test_a_label_that_the_bundle_lacks_is_named_with_the_nearest() -> None:
    check_labels([rule()], ["walk", "idle"], "default")
    with pytest.raises(ConfigError) as refused:
        check_labels([rule(), rule(labels=("wlak",))], ["walk", "idle"], "default")
    assert str(refused.value) == (
        'rule[moving].labels: "wlak" is no class of bundle \'default\'; did you mean "walk"?'
    )
