"""Plays a recorded file to a program under development. Needs nothing of Gesta.

python play.py events.jsonl tcp://127.0.0.1:5599      to ZeroMQ subscribers (pip install pyzmq)
python play.py mqtt.jsonl mqtt://127.0.0.1:1883       to an MQTT broker (pip install paho-mqtt)
python play.py webhook.jsonl http://127.0.0.1:8080/   to an HTTP receiver
"""

import base64
import json
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit


def to_subscribers(path, endpoint):
    """At the pace of the recording, from when the first subscriber comes."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 1000  # ms, for the last words
        socket.bind(endpoint)
        socket.recv()  # a subscription
        before = None
        for line in path.read_bytes().splitlines():
            message = json.loads(line)
            at = datetime.fromisoformat(message["published_at"]).timestamp()
            time.sleep(max(0.0, at - (before or at)))
            before = at
            owner = message["camera"] or f"node/{message['node']}"
            topic = f"gesta/1/{message['site']}/{owner}/{message['type']}/"
            blobs = [blob.read_bytes() for blob in sorted(path.parent.glob(f"{path.stem}.[0-9].*"))]
            socket.send_multipart([topic.encode(), line, *blobs])


def to_broker(path, url):
    """All at once, as they were published."""
    import paho.mqtt.client as mqtt

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect(url.hostname, url.port or 1883)
    client.loop_start()
    for line in path.read_text().splitlines():
        said = json.loads(line)
        payload = said.get("payload") or base64.b64decode(said["payload_base64"])
        client.publish(said["topic"], payload, said["qos"], said["retain"]).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def to_receiver(path, url):
    """All at once, signed as they were."""
    for line in path.read_text().splitlines():
        post = json.loads(line)
        headers = {k: v for k, v in post["headers"].items() if k not in ("host", "content-length")}
        request = urllib.request.Request(url, post["body"].encode(), headers)
        with urllib.request.urlopen(request) as answer:
            print(answer.status, post["headers"]["webhook-id"])


if __name__ == "__main__":
    file, target = Path(sys.argv[1]), sys.argv[2]
    if target.startswith("tcp://"):
        to_subscribers(file, target)
    elif target.startswith("mqtt://"):
        to_broker(file, urlsplit(target))
    else:
        to_receiver(file, target)
