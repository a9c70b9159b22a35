#!/usr/bin/env bash
# Makes dist/: static stripped binaries for each architecture, an archive of each, and
# SHA256SUMS. The same sources and the same Go give the same bytes. `make release` calls it
# after the OpenTelemetry Collector Builder has written distribution/build.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^  version: //p' distribution/manifest.yaml)
architectures=${ARCHITECTURES:-amd64 arm64 arm 386}
# One fixed time for all files: that of the commit, or none.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

rm -rf dist
for architecture in $architectures; do
	name=otelcol-xfrm_${version}_linux_${architecture}
	binary=$PWD/dist/linux/$architecture/otelcol-xfrm
	echo "$name"
	# 32-bit ARM of version 7 on: with less there is no hardware floating point.
	(cd distribution/build && CGO_ENABLED=0 GOOS=linux GOARCH=$architecture GOARM=7 \
		go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o "$binary" .)
	staging=dist/$name
	mkdir -p "$staging"
	cp "$binary" LICENSE "$staging"
	cp -r distribution/config distribution/systemd monitoring/alerts.yaml "$staging"
	# Modes must not depend on the umask.
	chmod -R u=rwX,go=rX "$staging"
	tar --create --directory dist --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--format=ustar "$name" | gzip -9 --no-name >"dist/$name.tar.gz"
	rm -r "$staging"
done
# Who makes them again compares with this.
echo "$SOURCE_DATE_EPOCH" >dist/SOURCE_DATE_EPOCH
(cd dist && sha256sum -- *.tar.gz >SHA256SUMS && cat SHA256SUMS)
