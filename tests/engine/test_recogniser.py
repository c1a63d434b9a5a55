"""The recogniser against design section 4, computed without lanes from the same features."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from engine.calibration import fuse, rgb_alone
from engine.manifest import Calibration
from engine.recogniser import Recogniser, Sample
from tests.engine.numpy_graphs import numpy_graphs

WINDOW = 12  # N = 3 segments of k = 4


@pytest.fixture
def graphs(manifest):
    return numpy_graphs(manifest)


@pytest.fixture
def recogniser(numpy_bundle, graphs):
    return Recogniser(numpy_bundle, graphs)


def samples_of(camera, count, seed=0, epoch=0):
    draw = np.random.default_rng(seed)
    return [
        Sample(
            camera=camera,
            epoch=epoch,
            tick=2 * number,
            rgb=draw.integers(0, 256, (8, 8, 3), np.uint8),
            flow=draw.integers(1, 256, (20, 8, 8), np.uint8),
        )
        for number in range(count)
    ]


def offline(samples, manifest, graphs):
    """(rgb, flow, fused) probabilities of the newest of `samples`, segment by segment."""
    scores = []
    for stream, cnn, head in (
        ("rgb", graphs.rgb, graphs.rgb_head),
        ("flow", graphs.flow, graphs.flow_head),
    ):
        frames = np.stack([getattr(sample, stream) for sample in samples])
        features = cnn.run({"frames": frames})["features"]
        scores.append(head.weights.rolling(features, manifest)[0])
    return fuse(*scores, manifest.calibration)


def assert_same(recognition, expected):
    assert recognition.probabilities == pytest.approx(expected.fused, abs=1e-5)
    assert recognition.p_rgb == pytest.approx(expected.rgb, abs=1e-5)
    assert recognition.p_flow == pytest.approx(expected.flow, abs=1e-5)


def test_at_every_hop_it_says_what_the_window_says(recogniser, manifest, graphs):
    samples = samples_of("hall", 30)
    for t, sample in enumerate(samples):
        [recognition] = recogniser.step([sample])
        window = samples[: t + 1] if t < WINDOW else samples[t + 1 - WINDOW : t + 1]
        assert_same(recognition, offline(window, manifest, graphs))
        assert (recognition.camera, recognition.epoch, recognition.tick) == ("hall", 0, 2 * t)
        assert recognition.fill == min(t + 1, WINDOW) / WINDOW
        assert recognition.complete == (t + 1 >= WINDOW)
        assert recognition.probabilities.dtype == np.float32
        assert recognition.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_attention_is_the_mean_of_the_streams(recogniser, manifest, graphs):
    samples = samples_of("hall", WINDOW)
    for sample in samples:
        [recognition] = recogniser.step([sample])
    rgb = graphs.rgb.run({"frames": np.stack([s.rgb for s in samples])})
    flow = graphs.flow.run({"frames": np.stack([s.flow for s in samples])})
    _, beta_rgb = graphs.rgb_head.weights.rolling(rgb["features"], manifest)
    _, beta_flow = graphs.flow_head.weights.rolling(flow["features"], manifest)
    assert recognition.temporal_attention == pytest.approx((beta_rgb + beta_flow) / 2, abs=1e-6)
    assert recognition.spatial_rgb == pytest.approx(rgb["attention"][-1])
    assert recognition.spatial_flow == pytest.approx(flow["attention"][-1])


def test_cameras_share_batches_and_nothing_else(recogniser, numpy_bundle, graphs):
    """Two cameras, one of them half the time and begun later: each as if it were alone."""
    hall, door = samples_of("hall", 40, seed=1), samples_of("door", 16, seed=2)
    alone = Recogniser(numpy_bundle, numpy_graphs(numpy_bundle.manifest))
    door_alone = [alone.step([sample])[0] for sample in door]
    hall_alone = [alone.step([sample])[0] for sample in hall]
    waiting = iter(zip(door, door_alone, strict=True))
    for t, (sample, expected) in enumerate(zip(hall, hall_alone, strict=True)):
        if t >= 7 and t % 2 and (entry := next(waiting, None)):
            other, from_door = recogniser.step([entry[0], sample])[0], entry[1]
            assert other.camera == "door"
            assert other.probabilities == pytest.approx(from_door.probabilities, abs=1e-6)
            assert graphs.rgb_head.rows[-1] == 2
            continue
        [recognition] = recogniser.step([sample])
        assert recognition.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_a_new_epoch_starts_from_nothing(recogniser, manifest, graphs):
    for sample in samples_of("hall", 20, seed=1):
        recogniser.step([sample])
    fresh = samples_of("hall", 3, seed=2, epoch=1)
    for t, sample in enumerate(fresh):
        [recognition] = recogniser.step([sample])
        assert_same(recognition, offline(fresh[: t + 1], manifest, graphs))
    assert (recognition.epoch, recognition.fill, recognition.complete) == (1, 0.25, False)


def test_a_forgotten_camera_starts_from_nothing(recogniser):
    first, *rest = samples_of("hall", 9)
    for sample in (first, *rest):
        recogniser.step([sample])
    recogniser.forget("hall")
    recogniser.forget("nobody")
    assert recogniser.step([first])[0].fill == 1 / WINDOW


@pytest.mark.parametrize("shed", [1, 5, 12, 13, 40, 1003])
def test_a_shed_sample_is_the_one_before_it_again(recogniser, manifest, graphs, shed):
    """So a window never stretches in time: it holds repeats where samples are missing."""
    samples = samples_of("hall", 20)
    for sample in samples[:15]:
        recogniser.step([sample])
    seen = [*samples[:15], *[samples[14]] * shed]
    for t, sample in enumerate(samples[15:]):
        [recognition] = recogniser.step([replace(sample, shed_before=0 if t else shed)])
        seen.append(sample)
        assert_same(recognition, offline(seen[-WINDOW:], manifest, graphs))
        assert recognition.fill == 1
        assert recognition.shed == min(shed, WINDOW - 1 - t)
        assert recognition.complete == (recognition.shed == 0)


def test_shed_samples_count_as_repeated_and_leave_the_window_at_last(recogniser):
    samples = samples_of("hall", 30)
    counts = []
    for t, sample in enumerate(samples):
        changed = replace(sample, repeated=t in (3, 4), shed_before=2 if t == 8 else 0)
        [recognition] = recogniser.step([changed])
        counts.append((recognition.repeated, recognition.shed, recognition.complete))
    assert counts[4] == (2, 0, False)
    assert counts[8] == (4, 2, False)
    assert counts[11] == (4, 2, False)  # full, but not complete: two were shed
    assert counts[19] == (0, 0, True)


def test_cameras_shed_independently(recogniser, manifest, graphs):
    hall, door = samples_of("hall", 16, seed=1), samples_of("door", 16, seed=2)
    for pair in zip(hall[:14], door[:14], strict=True):
        recogniser.step(pair)
    results = recogniser.step([replace(hall[14], shed_before=3), replace(door[14], shed_before=1)])
    assert [recognition.shed for recognition in results] == [3, 1]
    assert_same(results[0], offline([*hall[6:14], *[hall[13]] * 3, hall[14]], manifest, graphs))
    assert_same(results[1], offline([*door[4:14], door[13], door[14]], manifest, graphs))


def test_what_an_epoch_sheds_before_its_first_sample_is_before_its_window(recogniser):
    [sample] = samples_of("hall", 1)
    [recognition] = recogniser.step([replace(sample, shed_before=4)])
    assert (recognition.fill, recognition.shed, recognition.repeated) == (1 / WINDOW, 0, 0)


def test_nothing_grows_with_time(recogniser):
    samples = samples_of("hall", 8)
    for number in range(200):
        recogniser.step([replace(samples[number % 8], epoch=number // 50, shed_before=number % 3)])
    assert list(recogniser._cameras) == ["hall"]
    camera = recogniser._cameras["hall"]
    assert len(camera.window) == WINDOW
    assert all(array.shape[0] == 1 for array in camera.rgb.state.values())


def test_calibration_and_abstention_are_the_bundles(numpy_bundle, manifest, graphs):
    calibrated = msgspec.structs.replace(
        manifest, calibration=Calibration(rgb=2, flow=3, fused=0.5), abstain_below=1.0
    )
    recogniser = Recogniser(replace(numpy_bundle, manifest=calibrated), graphs)
    samples = samples_of("hall", WINDOW)
    for sample in samples:
        [recognition] = recogniser.step([sample])
    assert_same(recognition, offline(samples, calibrated, graphs))
    assert recognition.abstain
    p = np.float64(recognition.probabilities)
    assert recognition.entropy == pytest.approx(-(p * np.log(p)).sum(), abs=1e-5)


def alone(samples, manifest, graphs):
    """What RGB alone says of the newest of `samples`, and its attention, segment by segment."""
    features = graphs.rgb.run({"frames": np.stack([each.rgb for each in samples])})["features"]
    score, beta = graphs.rgb_head.weights.rolling(features, manifest)
    return *rgb_alone(score, manifest.calibration), beta


def test_without_flow_rgb_speaks_alone_by_its_own_calibration(numpy_bundle, manifest, graphs):
    calibrated = msgspec.structs.replace(
        manifest, calibration=Calibration(rgb=2, flow=3, fused=0.5), abstain_below=1.0
    )
    recogniser = Recogniser(replace(numpy_bundle, manifest=calibrated), graphs)
    samples = [replace(sample, flow=None) for sample in samples_of("hall", 20)]
    for t, sample in enumerate(samples):
        [recognition] = recogniser.step([sample])
        window = samples[: t + 1] if t < WINDOW else samples[t + 1 - WINDOW : t + 1]
        p, entropy, beta = alone(window, calibrated, graphs)
        assert recognition.probabilities == pytest.approx(p, abs=1e-5)
        assert recognition.p_rgb == pytest.approx(p, abs=1e-5)
        assert recognition.entropy == pytest.approx(entropy, abs=1e-5)
        assert (recognition.p_flow, recognition.spatial_flow) == (None, None)
        assert recognition.complete == (t + 1 >= WINDOW)
        assert recognition.abstain
    assert recognition.temporal_attention == pytest.approx(beta, abs=1e-6)
    assert graphs.flow.rows == graphs.flow_head.rows == []


def test_both_speak_again_once_the_whole_window_has_flow(recogniser, manifest, graphs):
    """Until then RGB does, so that no answer stands on streams that saw different times."""
    samples = samples_of("hall", 50)
    for t, sample in enumerate(samples):
        has_flow = t < 15 or t >= 18
        [recognition] = recogniser.step([sample if has_flow else replace(sample, flow=None)])
        window = samples[: t + 1] if t < WINDOW else samples[t + 1 - WINDOW : t + 1]
        assert recognition.fill == min(t + 1, WINDOW) / WINDOW
        if t < 15 or t >= 18 + WINDOW - 1:
            assert_same(recognition, offline(window, manifest, graphs))
            assert recognition.spatial_flow is not None
        else:
            assert recognition.p_flow is None
            expected = alone(window, manifest, graphs)[0]
            assert recognition.probabilities == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shed", [1, 5, 12, 40])
@pytest.mark.parametrize("before", [0, 3])
def test_what_is_shed_while_flow_comes_back_stays_in_step(
    recogniser, manifest, graphs, shed, before
):
    """`before` samples with flow came before the loss."""
    samples = samples_of("hall", 50)
    for sample in samples[:14]:
        recogniser.step([replace(sample, flow=None)])
    seen = samples[:14]
    for t, sample in enumerate(samples[14:]):
        if t == before:
            seen += [seen[-1]] * shed
        [recognition] = recogniser.step([replace(sample, shed_before=shed if t == before else 0)])
        seen.append(sample)
        if recognition.p_flow is not None:
            assert_same(recognition, offline(seen[-WINDOW:], manifest, graphs))
        else:
            expected = alone(seen[-WINDOW:], manifest, graphs)[0]
            assert recognition.probabilities == pytest.approx(expected, abs=1e-5)
    assert recognition.p_flow is not None


def test_flow_is_computed_for_those_who_have_it(recogniser, manifest, graphs):
    hall, door = samples_of("hall", WINDOW, seed=1), samples_of("door", WINDOW, seed=2)
    for with_flow, other in zip(hall, door, strict=True):
        first, second = recogniser.step([replace(other, flow=None), with_flow])
    assert set(graphs.flow.rows) == set(graphs.flow_head.rows) == {1}
    assert set(graphs.rgb.rows) == {2}
    assert first.p_flow is None
    assert_same(second, offline(hall, manifest, graphs))


def test_it_takes_batches_of_what_its_graphs_were_compiled_for(recogniser):
    assert recogniser.batches == (1, 4)  # CNNs one by one, heads four together


def test_it_says_what_each_stage_took(recogniser):
    [recognition] = recogniser.step(samples_of("hall", 1))
    assert set(recognition.stage_ms) == {"rgb", "flow", "head"}
    assert min(recognition.stage_ms.values()) > 0


def test_a_camera_twice_in_a_step_is_refused(recogniser):
    with pytest.raises(ValueError, match="one sample in a step"):
        recogniser.step(samples_of("hall", 2))


def test_no_samples_no_recognitions(recogniser):
    assert recogniser.step([]) == []
