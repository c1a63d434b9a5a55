"""The Node-RED flow, whose functions run here in Node.js as Node-RED runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NODES = {
    node["id"]: node
    for node in json.loads((ROOT / "deploy" / "node-red-flow.json").read_text(encoding="utf-8"))
}
RECORDING = ROOT / "docs" / "recording"  # of a real daemon
POSTS = [json.loads(line) for line in (RECORDING / "webhook.jsonl").read_text().splitlines()]
(SECRET,) = re.findall(r"whsec_[\w+/=]+", (RECORDING / "README.md").read_text(encoding="utf-8"))
NODE = shutil.which("node")

# Each post in turn through one function, as if it had just arrived; prints what left it.
_HARNESS = """
const { func, posts, secret } = JSON.parse(require("fs").readFileSync(0));
const body = new Function("msg", "env", "node", "context", "crypto", func);
const kept = {};
const context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
const left = posts.map(({ headers, text, late_s }) => {
    Date.now = () => 1000 * (Number(headers["webhook-timestamp"]) + (late_s || 0));
    const msg = { req: { headers }, payload: Buffer.from(text) };
    return body(msg, { get: () => secret }, { warn: () => {} }, context, require("crypto"));
});
console.log(JSON.stringify(left));
"""

needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def passed(*posts: dict[str, Any], secret: str = SECRET) -> list[Any]:
    """What the flow makes of posts: for each, the event that goes on and the answer."""
    assert NODE is not None
    given = {"func": NODES["gesta.signature"]["func"], "posts": posts, "secret": secret}
    run = subprocess.run(
        [NODE, "-e", _HARNESS], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    left: list[Any] = json.loads(run.stdout)
    return left


def post(number: int, **changed: object) -> dict[str, Any]:
    recorded = POSTS[number]
    return {"headers": recorded["headers"], "text": recorded["body"], **changed}


@needs_node
def test_what_a_daemon_posts_goes_on_and_once_only() -> None:
    left = passed(*(post(number) for number in range(len(POSTS))), post(0))
    *first, again = left
    assert [event["payload"] for event, _ in first] == [json.loads(each["body"]) for each in POSTS]
    assert {answer["statusCode"] for _, answer in left} == {204}
    assert again[0] is None


@needs_node
@pytest.mark.parametrize(
    "changed",
    [
        {"text": POSTS[0]["body"].replace('"hall"', '"yard"')},
        {"late_s": 400},
        {"late_s": -400},
        {"headers": {**POSTS[0]["headers"], "webhook-signature": "v1,AAAA"}},
        {"headers": {"webhook-timestamp": POSTS[0]["headers"]["webhook-timestamp"]}},
    ],
)
def test_what_somebody_else_posts_is_refused(changed: dict[str, object]) -> None:
    ((event, answer),) = passed(post(0, **changed))
    assert event is None
    assert answer["statusCode"] == 401


@needs_node
def test_without_the_secret_nothing_goes_on() -> None:
    ((event, answer),) = passed(post(0), secret="")
    assert event is None
    assert answer["statusCode"] == 401


def test_each_wire_leads_to_a_node() -> None:
    for node in NODES.values():
        for ends in node.get("wires", []):
            assert set(ends) <= NODES.keys()
