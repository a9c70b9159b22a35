((import 'mixin.libsonnet') + { _config+:: { upSelector: 'job="xfrm"' } }).prometheusAlerts
