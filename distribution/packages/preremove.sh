#!/bin/sh
# On removal $1 is "remove" (dpkg) or 0 (rpm). Anything else is an update.
if [ -d /run/systemd/system ] && { [ "$1" = remove ] || [ "$1" = 0 ]; }; then
	systemctl disable --now otelcol-xfrm.service
fi
