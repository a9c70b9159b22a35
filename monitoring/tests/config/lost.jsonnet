((import 'mixin.libsonnet') + { _config+:: { permanentHours: 2, forgetHours: 3 } }).prometheusAlerts
