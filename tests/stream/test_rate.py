from stream.rate import Rate

S_NS = 1_000_000_000
STEP_NS = S_NS // 25


def test_a_steady_rate_is_told_from_the_first_seconds_on():
    rate = Rate()
    for i in range(25 * 8):
        rate.add(i * STEP_NS)
        if i > 25 * 2:
            assert 24 <= rate.per_s(i * STEP_NS) <= 26


def test_a_rate_falls_to_zero_when_nothing_comes():
    rate = Rate()
    assert rate.per_s(0) == 0
    for i in range(25):
        rate.add(i * STEP_NS)
    assert rate.per_s(60 * S_NS) == 0
