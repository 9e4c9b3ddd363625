{{/* (list protocol {ports, to}): one egress rule. Without peers it allows its ports anywhere. */}}
{{- define "docplanner-worker.egress" -}}
{{- $protocol := index . 0 -}}
{{- $rule := index . 1 -}}
- ports:
    {{- range $rule.ports }}
    - port: {{ . }}
      protocol: {{ $protocol }}
    {{- if eq $protocol "UDP" }}
    # Answers that do not fit into a datagram.
    - port: {{ . }}
      protocol: TCP
    {{- end }}
    {{- end }}
  {{- with $rule.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
