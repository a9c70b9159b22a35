#!/usr/bin/env bash
# Tests the rules with another _config: NAME.jsonnet makes the rules that NAME.yaml tests,
# and values that do not fit one another are refused.
#
#   run.sh JSONNET PROMTOOL
set -euo pipefail
jsonnet=$1 promtool=$2
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
for test in *.yaml; do
	cp "$test" "$dir/"
	"$jsonnet" -J ../.. -o "$dir/rules-$test" "${test%.yaml}.jsonnet"
	"$promtool" check rules "$dir/rules-$test"
	"$promtool" test rules "$dir/$test"
done

refused() {
	local config=$1 want=$2 got
	if got=$("$jsonnet" -J ../.. -e "((import 'mixin.libsonnet') + { _config+:: { $config } }).prometheusAlerts" 2>&1); then
		echo "accepted: $config" >&2
		exit 1
	fi
	if ! grep -qF "$want" <<<"$got"; then
		printf '%s: not "%s" but:\n%s\n' "$config" "$want" "$got" >&2
		exit 1
	fi
}
refused 'collectionIntervalMinutes: 0' 'collectionIntervalMinutes must be greater than 0, is 0'
refused 'collectionIntervalMinutes: 10, windowMinutes: 5' \
	'windowMinutes must be at least twice collectionIntervalMinutes, which is 10, so at least 20, and is 5'
refused 'windowMinutes: 7.5' 'windowMinutes must be a whole number, is 7.5'
refused 'windowMinutes: 30, memoryMinutes: 60' 'memoryMinutes must be at least three times windowMinutes, which is 30, so at least 90, and is 60'
refused "windowMinutes: '5m'" 'windowMinutes must be a number of minutes, is "5m"'
