#!/bin/sh
# $1 is "remove" for dpkg and 0 for rpm when the package goes; else it is an update.
if [ -d /run/systemd/system ] && { [ "$1" = remove ] || [ "$1" = 0 ]; }; then
	systemctl disable --now otelcol-xfrm.service
fi
