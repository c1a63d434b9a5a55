import json

import msgspec
import pytest

from engine.errors import BundleFormat, FlowMismatch
from engine.manifest import Manifest


def changed(manifest, **changes):
    return json.dumps(json.loads(manifest.encode()) | changes).encode()


def test_it_reads_back_what_it_wrote(manifest):
    assert Manifest.decode(manifest.encode()) == manifest


def test_derived_times(manifest):
    default = msgspec.structs.replace(
        manifest, segments=3, frames_per_segment=10, grid_fps=25, sample_every=1
    )
    assert (default.window_samples, default.window_s, default.prediction_hz) == (30, 1.2, 25)
    slow = msgspec.structs.replace(default, sample_every=5)
    assert (slow.window_s, slow.prediction_hz) == (6, 5)


def test_flow_may_be_estimated_on_a_smaller_picture(manifest):
    half = msgspec.structs.replace(manifest, resize=(64, 48), input_size=32, flow_downsampling=2)
    assert (half.flow_size, half.flow_resize) == (16, (32, 24))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segments": "three"}, r"Expected `int`, got `str` - at `\$.segments`"),
        ({"segments": 0}, r"`int` >= 1 - at `\$.segments`"),
        ({"colour": 1}, "unknown field `colour`"),
        ({"classes": ["one"]}, "two or more different names"),
        ({"classes": ["one", "one"]}, "two or more different names"),
        ({"input_size": 11}, "input_size 11 doesn't fit"),
        ({"flow_downsampling": 5}, "flow_downsampling 5 doesn't divide"),
        ({"flows": {}}, "one flow at least"),
        ({"flows": {"dis": {"bound_px": 0}}}, r"\$.flows\[...\].bound_px"),
        ({"calibration": {"rgb": 0}}, r"\$.calibration.rgb"),
        ({"tolerance": {"bf16": 0.01}}, "must state fp32"),
        ({"abstain_below": 1.5}, r"\$.abstain_below"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(manifest, changes, said):
    with pytest.raises(BundleFormat, match=said):
        Manifest.decode(changed(manifest, **changes))


def test_a_newer_format_asks_for_an_update_whatever_else_is_in_it(manifest):
    with pytest.raises(BundleFormat, match="format 2, and this version reads format 1; update"):
        Manifest.decode(changed(manifest, format=2, novelty=True))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff\xfe", b'{"format": "1"}'])
def test_what_is_no_manifest_is_a_sentence(text):
    with pytest.raises(BundleFormat, match=r"bundle.json is wrong: .*; export the bundle again"):
        Manifest.decode(text)


def test_a_flow_that_is_not_listed_is_refused_unless_allowed(manifest):
    assert manifest.flow_entry("dis").parameters == {"preset": "medium"}
    with pytest.raises(FlowMismatch, match="not trained on flow 'tvl1'; use dis"):
        manifest.flow_entry("tvl1")
    unmeasured = manifest.flow_entry("tvl1", allow_mismatch=True)
    assert (unmeasured.bound_px, unmeasured.parameters) == (12, {})


def test_the_crop_is_the_middle_of_the_resized_picture(manifest):
    wide = msgspec.structs.replace(manifest, input_size=224, resize=(301, 224))
    assert wide.crop == (38, 0, 224, 224)


def test_fp16_is_held_to_bf16s_tolerance_where_it_has_none_of_its_own(manifest):
    def tolerated(**tolerance):
        stated = msgspec.structs.replace(manifest, tolerance={"fp32": 1e-4, **tolerance})
        return stated.tolerated("fp16")

    assert tolerated() is None
    assert tolerated(bf16=0.05) == 0.05
    assert tolerated(bf16=0.05, fp16=0.01) == 0.01
    assert manifest.tolerated("bf16") is None
