#!/usr/bin/env bash
# Builds a deb and an rpm for each architecture in dist/ with nfpm: packages.sh NFPM.
set -euo pipefail
cd "$(dirname "$0")/.."
nfpm=$1
VERSION=$(sed -n 's/^  version: //p' distribution/manifest.yaml)
SOURCE_DATE_EPOCH=$(cat dist/SOURCE_DATE_EPOCH)
export VERSION SOURCE_DATE_EPOCH
rm -f dist/*.deb dist/*.rpm
for directory in dist/linux/*/; do
	ARCHITECTURE=$(basename "$directory")
	export ARCHITECTURE
	for packager in deb rpm; do
		# nfpm calls 32-bit ARM version 7 arm7.
		sed 's/^arch: .*/arch: '"${ARCHITECTURE/%arm/arm7}"'/' distribution/packages/nfpm.yaml |
			"$nfpm" package --config /dev/stdin --packager "$packager" --target dist/
	done
done
(cd dist && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS && cat SHA256SUMS)
