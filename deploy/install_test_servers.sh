#!/bin/sh
# Installs the servers that the tests talk to, from Debian's packages: GStreamer's RTSP server, for
# another one than ours, and the MQTT broker Mosquitto. Needs root and apt; without them the tests
# that want one skip, and this says so.
rtsp="gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
missing=""

has_rtsp() {
    /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null &&
        [ -e "$(find /usr/lib -name libgstopenh264.so 2>/dev/null | head -n 1)" ]
}
has_broker() {
    PATH="$PATH:/usr/sbin" command -v mosquitto >/dev/null 2>&1
}
skip() {
    has_rtsp || echo "GStreamer's RTSP server is not installed ($1): the in-tree RTSP server carries the tests alone"
    has_broker || echo "Mosquitto is not installed ($1): the tests with an MQTT broker skip"
    exit 0
}

has_rtsp || missing="$missing $rtsp"
has_broker || missing="$missing mosquitto"
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null 2>&1 || skip "no apt-get here"
[ "$(id -u)" = 0 ] || skip "not root"
echo "Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null 2>&1 || skip "apt-get update failed"
# shellcheck disable=SC2086
apt-get -qq install --no-install-recommends $missing >/dev/null 2>&1 || skip "apt-get install failed"
