{{/* How long a pod may take to stop, and what follows from it. */}}

{{/* A duration of the worker's settings ("25s", "1m 30s", "1500ms") in whole seconds, rounded up. */}}
{{- define "docplanner-worker.seconds" -}}
{{- $duration := . -}}
{{- $milliseconds := dict
      "ms" 1 "msec" 1 "millis" 1
      "s" 1000 "sec" 1000 "secs" 1000 "second" 1000 "seconds" 1000
      "m" 60000 "min" 60000 "mins" 60000 "minute" 60000 "minutes" 60000
      "h" 3600000 "hr" 3600000 "hrs" 3600000 "hour" 3600000 "hours" 3600000 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+ *[a-zA-Z]*" $duration -1 -}}
  {{- $unit := regexFind "[a-zA-Z]+" . -}}
  {{- if not (hasKey $milliseconds $unit) -}}
    {{- fail (printf "%q is not a duration such as \"25s\" or \"1m 30s\"" $duration) -}}
  {{- end -}}
  {{- $total = add $total (mul (atoi (regexFind "[0-9]+" .)) (get $milliseconds $unit)) -}}
{{- end -}}
{{- div (add $total 999) 1000 -}}
{{- end -}}

{{/* preStop, drain and margin: the kubelet kills a pod that takes longer. */}}
{{- define "docplanner-worker.gracePeriod" -}}
{{- $drain := include "docplanner-worker.seconds" .Values.settings.broker.drain_timeout | atoi -}}
{{- add $drain .Values.termination.marginSeconds .Values.termination.preStopSleepSeconds -}}
{{- end -}}

{{/* Up fast, down slower than a drain: never a second pod while the first one still finishes its deliveries.
     1800 and 3600 are the longest that Kubernetes takes. */}}
{{- define "docplanner-worker.scalingBehavior" -}}
{{- $grace := include "docplanner-worker.gracePeriod" . | atoi -}}
scaleUp:
  stabilizationWindowSeconds: {{ int .Values.autoscaling.scaleUpStabilizationSeconds }}
  selectPolicy: Max
  policies:
    - type: Pods
      value: 2
      periodSeconds: 30
    - type: Percent
      value: 100
      periodSeconds: 30
scaleDown:
  stabilizationWindowSeconds: {{ min 3600 (max (mul 2 $grace) (int .Values.autoscaling.scaleDownStabilizationSeconds)) }}
  selectPolicy: Min
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ min 1800 (max 60 (add $grace 30)) }}
{{- end -}}
