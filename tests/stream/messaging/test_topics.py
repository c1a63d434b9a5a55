from stream.messaging.topics import BY_KIND, TABLE, node_prefix, parse, topic


def test_a_cameras_topic_ends_in_a_slash_so_that_cam1_does_not_match_cam10():
    assert topic("home", "cam1", "prediction") == "gesta/1/home/cam1/prediction/"
    assert not topic("home", "cam10", "prediction").startswith("gesta/1/home/cam1/")


def test_the_daemons_own_topics_lie_under_node():
    assert topic("home", "box", "heartbeat") == "gesta/1/home/node/box/heartbeat/"
    assert topic("home", "box", "meta") == "gesta/1/home/node/box/meta/"


def test_every_row_of_the_table_survives_the_way_out_and_back():
    for row in TABLE:
        address = parse(topic("home", "hallway", row.kind))
        assert address is not None
        assert (address.site, address.owner, address.kind) == ("home", "hallway", row)


def test_what_is_not_in_the_table_is_no_address():
    for text in (
        "",
        "gesta/2/home/cam0/prediction/",
        "gesta/1/home/cam0/prediction",
        "gesta/1/home/cam0/prophecy/",
        "gesta/1/home/cam0/heartbeat/",  # a node's kind under a camera's name
        "gesta/1/home/node/box/prediction/",
        "gesta/1/home/cam0/extra/prediction/",
    ):
        assert parse(text) is None


def test_the_heartbeat_is_expected_once_a_second_and_predictions_as_the_bundle_says():
    assert BY_KIND["heartbeat"].expected_hz == 1.0
    assert BY_KIND["prediction"].expected_hz is None


def test_the_heartbeats_of_a_prefix_are_those_of_its_site():
    assert node_prefix("gesta/1/home/hallway/") == "gesta/1/home/node/"
    assert node_prefix("gesta/1/home/") == "gesta/1/home/node/"
    assert node_prefix("gesta/1/ho") == "gesta/1/ho"
    assert node_prefix("") == ""
