{{/* Names and labels. */}}

{{- define "docplanner-worker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50: suffixes such as -migrate have to fit into the 63 of a label. */}}
{{- define "docplanner-worker.fullname" -}}
{{- $name := include "docplanner-worker.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "docplanner-worker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "docplanner-worker.releaseLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What all pods of a release have: workers, migration and test. */}}
{{- define "docplanner-worker.releaseLabels" -}}
app.kubernetes.io/name: {{ include "docplanner-worker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Workers only. Never more than this on their pods: a new chart version would replace them. */}}
{{- define "docplanner-worker.selectorLabels" -}}
{{ include "docplanner-worker.releaseLabels" . }}
app.kubernetes.io/component: worker
{{- end -}}

{{- define "docplanner-worker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "docplanner-worker.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "docplanner-worker.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The port of `http.listen`. */}}
{{- define "docplanner-worker.port" -}}
{{- if regexMatch "^(127\\.|\\[::1\\])" .Values.settings.http.listen -}}
  {{- fail "settings.http.listen: the kubelet does not reach a loopback address; use 0.0.0.0 or [::]" -}}
{{- end -}}
{{- regexFind "[0-9]+$" .Values.settings.http.listen -}}
{{- end -}}

{{/* What tells this release's series from those of others. */}}
{{- define "docplanner-worker.metricsSelector" -}}
{{- default (printf "namespace=%q,job=%q" .Release.Namespace .Release.Name) .Values.metrics.selector -}}
{{- end -}}
