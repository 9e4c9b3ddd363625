{{/* What all pods of the chart have in common. */}}

{{/* (list $ name args): the beginning of a container, which a caller may go on with. */}}
{{- define "docplanner-worker.container" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "docplanner-worker.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{ index . 2 | toJson }}
env:
  - name: DOCPLANNER_WORKER_CONFIG
    value: /etc/docplanner-worker/worker.toml
  {{- with $root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  {{- toYaml $root.Values.containerSecurityContext | nindent 2 }}
volumeMounts:
  {{- include "docplanner-worker.volumeMounts" $root | nindent 2 }}
{{- end -}}

{{/* Where and as whom a pod runs. */}}
{{- define "docplanner-worker.placement" -}}
automountServiceAccountToken: false
# Variables for every Service of the namespace would be of no use.
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
