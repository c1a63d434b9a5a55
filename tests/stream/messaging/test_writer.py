import numpy as np

from stream.messaging.writer import Writer, shortest
from tests.stream.messaging.samples_of_messages import MODEL, envelope
from tests.stream.stand_ins import recognition, stream_sample
from tests.stream.synthetic import small_manifest


def written(probabilities, tick=0, classes=("walk", "wave")):
    writer = Writer(
        envelope=envelope(),
        manifest=small_manifest(classes=classes),
        model=MODEL,
        clock_ns=lambda: 60_000_000,
    )
    sample = stream_sample(tick=tick)
    found = recognition(sample.sample, probabilities)
    return writer.prediction(sample, found, taken_ns=10_000_000, done_ns=50_000_000)


def test_a_float32_comes_back_bit_for_bit_from_its_shortest_form():
    numbers = np.random.default_rng(0).random(1000).astype(np.float32)
    texts = shortest(numbers)
    assert (np.array(texts, np.float32) == numbers).all()
    assert shortest(np.array([1 / 3], np.float32)) == (0.33333334,)


def test_a_softmax_that_rounds_above_one_is_published_as_one():
    assert shortest(np.array([np.nextafter(np.float32(1), np.float32(2))])) == (1.0,)


def test_the_top_five_are_named_likeliest_first_ties_in_the_order_of_the_classes():
    classes = tuple("abcdefg")
    message = written((0.1, 0.2, 0.1, 0.3, 0.1, 0.1, 0.1), classes=classes)
    assert "".join(top.label for top in message.top) == "dbace"


def test_each_stage_tells_how_long_it_took():
    latency = written((0.5, 0.5)).time.latency_ms
    assert (latency.capture, latency.queue, latency.publish) == (4.0, 6.0, 10.0)
    assert (latency.rgb, latency.flow, latency.head) == (8.0, 7.0, 2.0)
    assert latency.capture_to_publish == 0.0  # both clocks stand at noon


def test_a_sparse_window_spans_its_steps():
    manifest = small_manifest(sample_every=5)
    writer = Writer(envelope=envelope(), manifest=manifest, model=MODEL, clock_ns=lambda: 0)
    sample = stream_sample(tick=10)
    found = recognition(sample.sample, window=30)
    message = writer.prediction(sample, found, taken_ns=0, done_ns=0)
    assert message.window.frames == 11
    assert message.time.capture_start == "2026-09-21T14:13:18.250000Z"  # 10 samples of 0.2 s
    assert message.time.position_s == 0.4  # tick 10 of 25 a second


def test_without_flow_the_messages_say_rgb():
    writer = Writer(envelope=envelope(), manifest=small_manifest(), model=MODEL, clock_ns=lambda: 0)
    sample = stream_sample(explain=True, flow=False)
    found = recognition(sample.sample)
    message = writer.prediction(sample, found, taken_ns=0, done_ns=0)
    assert message.modality == "rgb"
    assert [top.p_flow for top in message.top] == [None, None]
    explained, blobs = writer.explain(sample, found, message, sample.frame)
    assert explained.attention_flow is None
    assert len(blobs) == 2
    assert written((0.5, 0.5)).modality == "rgb+flow"
