#!/usr/bin/env bash
# Builds dist/: a static stripped binary for each architecture, an archive of each, and
# SHA256SUMS. The same sources and the same version of Go give the same bytes. `make release`
# calls it after the OpenTelemetry Collector Builder has written distribution/build.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^  version: //p' distribution/manifest.yaml)
architectures=${ARCHITECTURES:-amd64 arm64 arm 386}
# One fixed time for all files: that of the commit, or 0.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

rm -rf dist
for architecture in $architectures; do
	name=otelcol-xfrm_${version}_linux_${architecture}
	binary=$PWD/dist/linux/$architecture/otelcol-xfrm
	echo "$name"
	# For 32-bit ARM, version 7 and later: earlier ones may lack hardware floating point.
	(cd distribution/build && CGO_ENABLED=0 GOOS=linux GOARCH=$architecture GOARM=7 \
		go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o "$binary" .)
	staging=dist/$name
	mkdir -p "$staging"
	cp "$binary" LICENSE "$staging"
	cp -r distribution/config distribution/systemd monitoring/{alerts.yaml,dashboard.json,tunnels.json} "$staging"
	# File modes must not depend on the umask.
	chmod -R u=rwX,go=rX "$staging"
	tar --create --directory dist --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--format=ustar "$name" | gzip -9 --no-name >"dist/$name.tar.gz"
	rm -r "$staging"
done
# For the image. Not in the archives: a host has its own.
(cd tools/certificates && go run .) >dist/ca-certificates.crt
chmod 644 dist/ca-certificates.crt
# To compare with another build.
echo "$SOURCE_DATE_EPOCH" >dist/SOURCE_DATE_EPOCH
(cd dist && sha256sum -- *.tar.gz >SHA256SUMS && cat SHA256SUMS)
