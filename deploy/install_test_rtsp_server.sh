#!/bin/sh
# Installs GStreamer's RTSP server from Debian's packages: the interoperability server of the tests.
# Needs root and apt; without them the in-tree server carries the tests alone, and this says so.
packages="gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
skip() {
    echo "GStreamer's RTSP server is not installed ($1): the in-tree RTSP server carries the tests alone"
    exit 0
}
if /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null &&
    [ -e "$(find /usr/lib -name libgstopenh264.so 2>/dev/null | head -n 1)" ]; then
    exit 0
fi
command -v apt-get >/dev/null 2>&1 || skip "no apt-get here"
[ "$(id -u)" = 0 ] || skip "not root"
echo "Installing GStreamer's RTSP server for the tests"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null 2>&1 || skip "apt-get update failed"
# shellcheck disable=SC2086
apt-get -qq install --no-install-recommends $packages >/dev/null 2>&1 || skip "apt-get install failed"
