((import 'mixin.libsonnet') + { _config+:: { collectionIntervalMinutes: 10 } }).prometheusAlerts
